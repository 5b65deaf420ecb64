package test

import (
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/segmentio/kafka-go"
	"gonum.org/v1/plot/plotter"

	"leaderboard/test/dashboard"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// pictured is how long the picture of the dashboard looks back.
const pictured = 2 * time.Minute

// TestDashboardPicture draws the dashboard of two minutes of real servers: a steady
// simulated stream with readers, a burst in the first minute, and a few records that
// are no activities.
func TestDashboardPicture(t *testing.T) {
	path := os.Getenv("DASHBOARD_PICTURE")
	if path == "" {
		t.Skip("only with DASHBOARD_PICTURE, as `make dashboard-picture` does")
	}
	s := &services{t: t, brokers: []string{servers.KafkaServer(t).Addr()}, topics: "leaderboard.", redis: servers.Redis(t)}
	s.launch(dataset{org: "50711"})
	s.projector.AwaitReady()
	p := s.startPrometheus()
	start := time.Now()
	steady := programs.Command(t, "simulate", append(s.kafkaFlags(), "--apply-catalog", "--rate", "500", "--users", "5000")...)
	s.query.AwaitReady()
	s.api = newAPI(t, s.query.API(), "tester", "a secret")
	stop := s.startAsking()
	<-time.After(time.Until(start.Add(pictured / 3)))
	programs.Run(t, "simulate", append(s.kafkaFlags(), "--rate", "40000", "--count", "300000", "--users", "5000")...)
	for range 20 {
		s.publishRecords(kafka.Message{Value: []byte("not JSON")}, kafka.Message{Value: []byte(`{"orgId":50711,"userId":1}`)})
	}
	<-time.After(time.Until(start.Add(pictured)))
	end := time.Now()
	stop()
	if err := steady.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	d := readDashboard(t)
	answers := map[int][]dashboard.Series{}
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			answers[panel.ID] = append(answers[panel.ID], p.course(t, target, end)...)
		}
	}
	if err := dashboard.Draw(d, answers, path); err != nil {
		t.Fatal(err)
	}
}

// startAsking asks for a board and for a user's rank, a hundred times a second, until
// it is told to stop.
func (s *services) startAsking() (stop func()) {
	end := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			for _, path := range []string{"/v3.1/leaderboards/targetGroups/232?targetId=366", "/v3.1/leaderboards/user/381329001"} {
				if err := s.api.ask(path, "", new(any)); err != nil {
					s.t.Error(err)
					return
				}
			}
		}
	})
	return func() { close(end); readers.Wait() }
}

// course is the answer to a question of the dashboard, in the order of the names.
func (p promQL) course(t *testing.T, target dashboard.Target, end time.Time) []dashboard.Series {
	t.Helper()
	between := prometheus.Range{Start: end.Add(-pictured), End: end, Step: 2 * time.Second}
	value, _, _, err := p.QueryRange(t.Context(), dashboard.Fill(target.Expr, pictured), between)
	if err != nil {
		t.Fatal(err)
	}
	var all []dashboard.Series
	for _, stream := range value.(model.Matrix) {
		labels := map[string]string{}
		for name, value := range stream.Metric {
			labels[string(name)] = string(value)
		}
		series := dashboard.Series{Name: target.Name(labels)}
		for _, sample := range stream.Values {
			if y := float64(sample.Value); !math.IsNaN(y) && !math.IsInf(y, 0) {
				series.Points = append(series.Points, plotter.XY{X: float64(sample.Timestamp.Unix()), Y: y})
			}
		}
		if series.Points != nil {
			all = append(all, series)
		}
	}
	slices.SortFunc(all, func(a, b dashboard.Series) int { return strings.Compare(a.Name, b.Name) })
	return all
}
