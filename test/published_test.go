package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"leaderboard"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestPublishedLogInDev publishes into `leaderboard dev`.
func TestPublishedLogInDev(t *testing.T) {
	for _, d := range datasets(t) {
		t.Run(d.name, func(t *testing.T) {
			dev := programs.Start(t, "leaderboard", "dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
				"--log-level", "info", "--log-format", "json", "--catalog", d.catalog, "--simulate=false")
			programs.Run(t, "publish", "-f", d.activities, "--kafka-brokers", dev.Listening("kafka"))
			dev.AwaitRecords(d.records)
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
			programs.Run(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
			s.projector.AwaitRecords(d.records)
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
// published. What the group has committed is never ahead of what Redis holds.
func TestProjectorKilled(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	defer s.watchCommitted()()
	// Each has a part of the log to itself, so that it finds some however fast it is.
	parts := divide(t, d.activities, 4)
	for kill, part := range parts {
		publish := programs.Command(t, "publish", append([]string{"-f", part, "--rate", "2000"}, s.kafkaFlags()...)...)
		if kill < len(parts)-1 {
			s.projector.AwaitRecords(d.records / 40)
			s.projector.Kill()
			s.startProjector()
		}
		if err := publish.Wait(); err != nil {
			t.Fatalf("publish: %v\n%s", err, publish.Stderr)
		}
	}
	s.awaitHandled(d.records)
	s.api.checkBoards(d)
}

// divide makes files of equal parts of a file's lines.
func divide(t *testing.T, file string, parts int) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(string(text)))
	var files []string
	for part := range slices.Chunk(lines, (len(lines)+parts-1)/parts) {
		files = append(files, filepath.Join(t.TempDir(), "part.jsonl"))
		writeFile(t, files[len(files)-1], strings.Join(part, ""))
	}
	return files
}

// services are the real programs on a real Kafka and a real Redis.
type services struct {
	t       *testing.T
	brokers []string
	topics  string
	redis   string
	// projectorFlags are those of every projector, besides the servers'.
	projectorFlags   []string
	projector, query *programs.Program
	api              *api
}

// startServices starts them on the servers that tests share.
func startServices(t *testing.T, d dataset, projectorFlags ...string) *services {
	t.Helper()
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: servers.Redis(t), projectorFlags: projectorFlags}
	s.launch(d)
	s.projector.AwaitReady()
	s.applyCatalog(d)
	return s
}

// launch starts the daemons, whether their servers are there or not.
func (s *services) launch(d dataset) {
	s.t.Helper()
	clients := filepath.Join(s.t.TempDir(), "clients.json")
	programs.Run(s.t, "clients", "add", "--file", clients, "--id", "tester", "--org", d.org, "--secret", "a secret")
	s.projector = s.launchProjector()
	s.query = programs.Launch(s.t, nil, "query", "--redis-addrs", s.redis, "--clients-file", clients)
}

// applyCatalog makes the boards known, and waits until the API answers.
func (s *services) applyCatalog(d dataset) {
	s.t.Helper()
	programs.Run(s.t, "catalog", append([]string{"apply", "-f", d.catalog}, s.kafkaFlags()...)...)
	s.query.AwaitReady()
	s.api = newAPI(s.t, s.query.API(), "tester", "a secret")
}

func (s *services) launchProjector(flags ...string) *programs.Program {
	s.t.Helper()
	return programs.Launch(s.t, nil, "projector", slices.Concat(s.kafkaFlags(),
		[]string{"--kafka-group", s.topics, "--redis-addrs", s.redis, "--sync-interval", "200ms"}, s.projectorFlags, flags)...)
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
		"--kafka-erasures-topic", prefix + "erasures",
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
	programs.Await(s.t, "the group to have no member and take offsets", func() error {
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
	programs.Await(s.t, fmt.Sprintf("%d records to be committed", records), func() error {
		committed, err := s.committed()
		if err != nil {
			return err
		}
		sum := int64(0)
		for _, offset := range committed {
			sum += offset
		}
		if sum != int64(records) {
			return fmt.Errorf("committed are %d", sum)
		}
		return nil
	})
}

// committed are the group's offsets of the activities topic, by partition.
func (s *services) committed() (offsets [4]int64, err error) {
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: 10 * time.Second}
	topic := s.topics + "activities"
	answer, err := client.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
		GroupID: s.topics, Topics: map[string][]int{topic: {0, 1, 2, 3}},
	})
	if err != nil {
		return offsets, err
	}
	for _, p := range answer.Topics[topic] {
		offsets[p.Partition] = max(0, p.CommittedOffset)
	}
	return offsets, nil
}

// watchCommitted compares all along what is committed with the fences of all shards,
// until it is told to stop.
func (s *services) watchCommitted() (stop func()) {
	store, layout := s.store(), leaderboard.Layout{Generation: 1, Shards: 16}
	compare := func() error {
		committed, err := s.committed() // first: the fences may move on meanwhile
		if err != nil {
			return err
		}
		for shard := range layout.Shards {
			for partition, offset := range committed {
				fence, err := store.HGet(context.Background(), layout.FenceKey(shard), fmt.Sprint(partition)).Int64()
				if err != nil && !errors.Is(err, redis.Nil) {
					return err
				}
				if offset > fence {
					return fmt.Errorf("committed of partition %d is %d, shard %d stands at %d", partition, offset, shard, fence)
				}
			}
		}
		return nil
	}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for looks := 0; ; looks++ {
			if err := compare(); err != nil {
				s.t.Error(err)
				return
			}
			select {
			case <-ended:
				if looks < 10 {
					s.t.Errorf("looked %d times only", looks)
				}
				return
			default:
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
	}
}
