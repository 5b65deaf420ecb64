package test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/segmentio/kafka-go"

	"leaderboard/test/servers"
)

// TestPublishedLogInDev publishes into `leaderboard dev`.
func TestPublishedLogInDev(t *testing.T) {
	for _, d := range datasets(t) {
		t.Run(d.name, func(t *testing.T) {
			dev := startProgram(t, "leaderboard", "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
				"--log-level", "info", "--log-format", "json", "--catalog", d.catalog, "--simulate=false")
			leaderboardCommand(t, "publish", "-f", d.activities, "--kafka-brokers", dev.listening("kafka"))
			dev.awaitRecords(d.records)
			newAPI(t, dev.API(), "demo", "demo").checkBoards(d)
			dev.Stop()
		})
	}
}

// TestPublishedLogOnServers publishes to a real Kafka, with the real programs and a
// real Redis behind it.
func TestPublishedLogOnServers(t *testing.T) {
	for _, d := range datasets(t) {
		t.Run(d.name, func(t *testing.T) {
			s := startServices(t, d)
			leaderboardCommand(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
			s.projector.awaitRecords(d.records)
			s.api.checkBoards(d)

			// The same offsets once more: the group begins at the start again.
			s.projector.Stop()
			s.resetOffsets()
			s.startProjector()
			s.awaitHandled(d.records)
			s.api.checkBoards(d)
			s.projector.Stop()
			s.query.Stop()
		})
	}
}

// TestProjectorKilled kills the projector again and again while the log is
// published.
func TestProjectorKilled(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	publish := leaderboardProcess(t, "publish", append([]string{"-f", d.activities, "--rate", "5000"}, s.kafkaFlags()...)...)
	for kill := 1; kill <= 3; kill++ {
		s.projector.awaitRecords(d.records / 10)
		s.projector.Kill()
		s.startProjector()
	}
	if err := publish.Wait(); err != nil {
		t.Fatalf("publish: %v\n%s", err, publish.Stderr)
	}
	s.awaitHandled(d.records)
	s.api.checkBoards(d)
}

// services are the real programs on a real Kafka and a real Redis.
type services struct {
	t                *testing.T
	brokers          []string
	topics           string
	redis            string
	projector, query *program
	api              *api
}

// startServices starts them on the servers that tests share.
func startServices(t *testing.T, d dataset) *services {
	t.Helper()
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: servers.Redis(t)}
	s.launch(d)
	s.projector.AwaitReady()
	s.applyCatalog(d)
	return s
}

// launch starts the daemons, whether their servers are there or not.
func (s *services) launch(d dataset) {
	s.t.Helper()
	clients := filepath.Join(s.t.TempDir(), "clients.json")
	leaderboardCommand(s.t, "clients", "add", "--file", clients, "--id", "tester", "--org", d.org, "--secret", "a secret")
	s.projector = s.launchProjector()
	s.query = launchProgram(s.t, nil, "query", "--redis-addrs", s.redis, "--clients-file", clients)
}

// applyCatalog makes the boards known, and waits until the API answers.
func (s *services) applyCatalog(d dataset) {
	s.t.Helper()
	leaderboardCommand(s.t, "catalog", append([]string{"apply", "-f", d.catalog}, s.kafkaFlags()...)...)
	s.query.AwaitReady()
	s.api = newAPI(s.t, s.query.API(), "tester", "a secret")
}

func (s *services) launchProjector() *program {
	s.t.Helper()
	return launchProgram(s.t, nil, "projector", append(s.kafkaFlags(),
		"--kafka-group", s.topics, "--redis-addrs", s.redis, "--sync-interval", "200ms")...)
}

func (s *services) startProjector() {
	s.t.Helper()
	s.projector = s.launchProjector()
	s.projector.AwaitReady()
}

func (s *services) kafkaFlags() []string {
	return append(topicFlags(s.topics), "--kafka-brokers", strings.Join(s.brokers, ","))
}

func topicFlags(prefix string) []string {
	return []string{
		"--kafka-activities-topic", prefix + "activities", "--kafka-catalog-topic", prefix + "catalog",
		"--kafka-profiles-topic", prefix + "profiles", "--kafka-deadletters-topic", prefix + "deadletters",
	}
}

// resetOffsets sets the group's offsets to the start of every partition.
func (s *services) resetOffsets() {
	s.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: 10 * time.Second}
	offsets := make([]kafka.OffsetCommit, 4)
	for i := range offsets {
		offsets[i] = kafka.OffsetCommit{Partition: i, Offset: 0}
	}
	await(s.t, "the group to have no member and take offsets", func() error {
		answer, err := client.OffsetCommit(context.Background(), &kafka.OffsetCommitRequest{
			GroupID: s.topics, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{s.topics + "activities": offsets},
		})
		if err != nil {
			return err
		}
		for _, p := range answer.Topics[s.topics+"activities"] {
			if p.Error != nil {
				return p.Error
			}
		}
		return nil
	})
}

// awaitHandled waits until the group has committed as many records of the
// activities topic as were published.
func (s *services) awaitHandled(records int) {
	s.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: 10 * time.Second}
	topic := s.topics + "activities"
	await(s.t, fmt.Sprintf("%d records to be committed", records), func() error {
		answer, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
			GroupID: s.topics, Topics: map[string][]int{topic: {0, 1, 2, 3}},
		})
		if err != nil {
			return err
		}
		committed := int64(0)
		for _, p := range answer.Topics[topic] {
			committed += max(0, p.CommittedOffset)
		}
		if committed != int64(records) {
			return fmt.Errorf("committed are %d", committed)
		}
		return nil
	})
}

// awaitRecords waits until the program has handled that many records.
func (p *program) awaitRecords(records int) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%d records to be handled", records), func() error {
		if got := p.metric("leaderboard_records_total"); int(got) < records {
			return fmt.Errorf("handled are %v", got)
		}
		return nil
	})
}

// metric is the sum of a counter or gauge over the series that have the labels
// (name, value, name, value…).
func (p *program) metric(name string, labels ...string) float64 {
	p.t.Helper()
	response, err := http.Get(p.Admin() + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	sum := 0.0
series:
	for _, m := range families[name].GetMetric() {
		for i := 0; i < len(labels); i += 2 {
			matches := false
			for _, l := range m.GetLabel() {
				matches = matches || (l.GetName() == labels[i] && l.GetValue() == labels[i+1])
			}
			if !matches {
				continue series
			}
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// await tries until the condition holds.
func await(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// leaderboardCommand runs bin/leaderboard to its end, which has to be a good one.
func leaderboardCommand(t *testing.T, command string, args ...string) {
	t.Helper()
	p := leaderboardProcess(t, command, args...)
	if err := p.Wait(); err != nil {
		t.Fatalf("leaderboard %s: %v\n%s", command, err, p.Stderr)
	}
}

// leaderboardProcess starts bin/leaderboard.
func leaderboardProcess(t *testing.T, command string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(programPath(t, "leaderboard"), append([]string{command}, args...)...)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}
