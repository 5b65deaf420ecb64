package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"leaderboard"
	"leaderboard/cmd/internal/simulation"
)

func TestExamplesPutTheOwnAndRunningFirst(t *testing.T) {
	now := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	period := func(id leaderboard.PeriodID, month time.Month) leaderboard.Period {
		start := time.Date(2024, month, 1, 0, 0, 0, 0, time.UTC)
		return leaderboard.Period{PeriodID: id, Start: start, End: start.AddDate(0, 1, 0)}
	}
	group := func(id leaderboard.TargetGroupID, org leaderboard.OrgID, active bool) leaderboard.TargetGroup {
		return leaderboard.TargetGroup{
			TargetGroupID: id, OrgID: org, Active: active, LeaderboardEnabled: true,
			Periods: []leaderboard.Period{period(4, time.April), period(5, time.May)},
			Targets: []leaderboard.Target{{TargetRuleID: 1}},
		}
	}
	catalog := leaderboard.CatalogDocument{TargetGroups: []leaderboard.TargetGroup{group(1, 7, true), group(2, 8, false), group(3, 8, true)}}
	var got []string
	for _, e := range examples(catalog, 8, now) {
		got = append(got, e.board.String())
	}
	want := []string{"8:3:1:5", "7:1:1:5", "8:3:1:4", "7:1:1:4"}
	if !slices.Equal(got, want) {
		t.Errorf("examples are %v, want %v", got, want)
	}
}

func TestCurlLines(t *testing.T) {
	board := leaderboard.Board{Org: 8, Group: 3, Rule: 1, Period: 5}
	own, parent := caller{"demo:demo", 8}, caller{"ID:SECRET", 7}
	for _, c := range []struct{ got, want string }{
		{
			own.curlTop("h:1", example{board, 9, true}),
			`curl -s -w '\n' -u demo:demo 'http://h:1/v3.1/leaderboards/targetGroups/3?targetId=1&pageSize=5'`,
		},
		{
			parent.curlTop("h:1", example{board, 9, false}),
			`curl -s -w '\n' -u ID:SECRET -H 'DATA-SCOPE: OTHER' -H 'DATA-SCOPE-ORG: 8' 'http://h:1/v3.1/leaderboards/targetGroups/3?targetId=1&pageSize=5&periodId=5'`,
		},
		{
			own.curlRank("h:1", example{board, 9, true}),
			`curl -s -w '\n' -u demo:demo -X GET -H 'Content-Type: application/json' -d '[{"targetGroupId":3,"targetRuleId":1}]' 'http://h:1/v3.1/leaderboards/user/9'`,
		},
		{
			parent.curlRank("h:1", example{board, 9, false}),
			`curl -s -w '\n' -u ID:SECRET -H 'DATA-SCOPE: OTHER' -H 'DATA-SCOPE-ORG: 8' -X GET -H 'Content-Type: application/json' -d '[{"orgId":8,"targetGroupId":3,"targetRuleId":1,"periodId":5}]' 'http://h:1/v3.1/leaderboards/user/9'`,
		},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

// session is a run of the whole, with the banner it showed.
type session struct {
	t      *testing.T
	banner string
	cancel context.CancelFunc
	ended  chan error
}

// bannerWriter hands on what is written to it.
type bannerWriter chan string

func (w bannerWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// start runs it all on miniredis and awaits the banner.
func start(t *testing.T, data string, simulate bool) *session {
	t.Helper()
	t.Setenv("PATH", "")
	ctx, cancel := context.WithCancel(t.Context())
	s := &session{t: t, cancel: cancel, ended: make(chan error, 1)}
	shown := make(bannerWriter, 1)
	go func() {
		s.ended <- Run(ctx, Config{
			Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", KafkaListen: "127.0.0.1:0",
			Data: data, Simulate: simulate, Log: slog.New(slog.DiscardHandler), Out: shown,
		})
	}()
	select {
	case s.banner = <-shown:
	case err := <-s.ended:
		cancel()
		t.Fatalf("ended before the banner: %v", err)
	}
	return s
}

func (s *session) stop() {
	s.t.Helper()
	s.cancel()
	if err := <-s.ended; err != nil {
		s.t.Errorf("Run: %v", err)
	}
}

// paste does what the banner's curl lines do and gives the two answers.
func (s *session) paste() (top, rank string) {
	s.t.Helper()
	lines := regexp.MustCompile(`(?m)^ +curl .*'(http://[^']+)'$`).FindAllStringSubmatch(s.banner, -1)
	if len(lines) != 2 {
		s.t.Fatalf("the banner has %d curl lines:\n%s", len(lines), s.banner)
	}
	var answers []string
	for _, line := range lines {
		body := ""
		if d := regexp.MustCompile(`-d '([^']+)'`).FindStringSubmatch(line[0]); d != nil {
			body = d[1]
		}
		answers = append(answers, s.ask(line[1], body))
	}
	return answers[0], answers[1]
}

// ask gives the answer. On a busy machine miniredis may be too slow for one while
// the boards are being filled; the service then says so, and is asked again.
func (s *session) ask(url, body string) string {
	s.t.Helper()
	var text []byte
	err := poll(s.t.Context(), func() (bool, error) {
		request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, strings.NewReader(body))
		if err != nil {
			return false, err
		}
		request.SetBasicAuth("demo", "demo")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		defer func() { _ = answer.Body.Close() }()
		text, err = io.ReadAll(answer.Body)
		switch {
		case err != nil || answer.StatusCode == http.StatusServiceUnavailable:
			return false, err
		case answer.StatusCode != http.StatusOK:
			return false, fmt.Errorf("%s %s", answer.Status, text)
		}
		return true, nil
	})
	if err != nil {
		s.t.Fatalf("%s: %v", url, err)
	}
	return string(text)
}

func TestRunAnswersItsOwnCurlLinesAndComesBack(t *testing.T) {
	data := t.TempDir()
	first := start(t, data, true)
	if !strings.Contains(first.banner, "miniredis") {
		t.Errorf("the banner does not say what the store is:\n%s", first.banner)
	}
	_, rank := first.paste()
	var answer struct {
		Data struct {
			CustomerID leaderboard.UserID
			UserRanks  []struct{ Rank, TotalUsersInTargetGroup int }
		}
	}
	if err := json.Unmarshal([]byte(rank), &answer); err != nil || len(answer.Data.UserRanks) != 1 || answer.Data.CustomerID < simulation.FirstUser {
		t.Errorf("the second line answers %s, %v", rank, err)
	}
	first.stop()

	second := start(t, data, false)
	defer second.stop()
	awaitEntries(t, second, 200)
}

// awaitEntries waits for the board of the banner to come again from the log.
func awaitEntries(t *testing.T, s *session, least int) {
	t.Helper()
	var answer struct {
		Pagination struct{ Total int }
	}
	err := poll(t.Context(), func() (bool, error) {
		top, _ := s.paste()
		err := json.NewDecoder(bytes.NewBufferString(top)).Decode(&answer)
		return answer.Pagination.Total >= least, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDataDirectoryHasOneUser(t *testing.T) {
	data := t.TempDir()
	release, err := lock(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(data); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second lock: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, err := lock(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}
