package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// arena is a Redis with projectors before it, and topics of their own on the Kafka
// that all arenas share.
type arena struct {
	b          *testing.B
	brokers    []string
	topics     string
	server     *servers.Process
	redis      *redis.Client
	layout     leaderboard.Layout
	projectors []*programs.Program
	// producer is for streams, prober for single activities.
	producer, prober *kgo.Client
	streams          *streams
	// filled is how many bytes the projector's boards of a set took in the beginning.
	filled map[*boardSet]int64
	// handed counts the activities that were published.
	handed int
}

// newArena starts an arena whose projectors wait for activities.
func newArena(b *testing.B, partitions, projectors int) *arena {
	b.Helper()
	a := &arena{
		b: b, brokers: servers.Kafka(b), topics: servers.Topics(b), server: servers.RedisServer(b),
		streams: newStreams(partitions), filled: map[*boardSet]int64{},
	}
	a.redis = redis.NewClient(&redis.Options{Addr: a.server.Addr()})
	b.Cleanup(func() { _ = a.redis.Close() })
	if err := trackLatency(context.Background(), a.redis); err != nil {
		b.Fatalf("track the latency of Redis: %v", err)
	}
	for range projectors {
		a.projectors = append(a.projectors, programs.Start(b, "projector", a.projectorFlags()...))
	}
	a.applyCatalog()
	a.awaitAssigned(partitions)
	shards, err := a.redis.HGet(context.Background(), leaderboard.MetaKey, leaderboard.MetaShards(1)).Int()
	if err != nil {
		b.Fatalf("read the number of shards: %v", err)
	}
	a.layout = leaderboard.Layout{Generation: 1, Shards: shards}
	a.producer, a.prober = newProducer(b, a.brokers), newProducer(b, a.brokers)
	return a
}

func (a *arena) activities() string { return a.topics + "activities" }

func (a *arena) kafkaFlags() []string {
	return []string{
		"--kafka-brokers", strings.Join(a.brokers, ","),
		"--kafka-activities-topic", a.activities(), "--kafka-catalog-topic", a.topics + "catalog",
		"--kafka-profiles-topic", a.topics + "profiles", "--kafka-deadletters-topic", a.topics + "deadletters",
		"--kafka-erasures-topic", a.topics + "erasures",
	}
}

func (a *arena) projectorFlags() []string {
	return append(a.kafkaFlags(),
		"--kafka-group", a.topics, "--kafka-partitions", strconv.Itoa(len(a.streams.partitions)), "--redis-addrs", a.server.Addr())
}

func (a *arena) applyCatalog() {
	a.b.Helper()
	file := filepath.Join(a.b.TempDir(), "catalog.yaml")
	if err := os.WriteFile(file, []byte(catalog()), 0o600); err != nil {
		a.b.Fatal(err)
	}
	programs.Run(a.b, "catalog", append([]string{"apply", "-f", file}, a.kafkaFlags()...)...)
}

// awaitAssigned waits until each projector has its part of the partitions.
func (a *arena) awaitAssigned(partitions int) {
	a.b.Helper()
	for _, p := range a.projectors {
		programs.Await(a.b, "partitions to be assigned to all projectors", func() error {
			if got := assigned(p); got*len(a.projectors) != partitions {
				return fmt.Errorf("one has %d of %d", got, partitions)
			}
			return nil
		})
	}
}

// assigned is how many partitions of the activities the projector's log names last.
func assigned(p *programs.Program) int {
	n := 0
	for line := range strings.Lines(p.Log()) {
		var record struct {
			Msg        string
			Activities []int
		}
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "partitions assigned" {
			n = len(record.Activities)
		}
	}
	return n
}

// fencePoll is how often the fences are looked at. A look costs Redis some µs a shard.
const fencePoll = 5 * time.Millisecond

const applyLimit = 30 * time.Minute

// awaitMarks returns when all fences are at their marks, or above.
func (a *arena) awaitMarks(m marks) {
	a.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), applyLimit)
	defer cancel()
	for {
		reached, err := a.reached(ctx, m)
		if err != nil {
			a.b.Fatalf("wait for the fences: %v", err)
		}
		if reached {
			return
		}
		time.Sleep(fencePoll)
	}
}

func (a *arena) reached(ctx context.Context, m marks) (bool, error) {
	pipe := a.redis.Pipeline()
	fences := map[int]*redis.MapStringStringCmd{}
	for shard := range m {
		fences[shard] = pipe.HGetAll(ctx, a.layout.FenceKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return false, err
	}
	for shard, wanted := range m {
		for partition, mark := range wanted {
			fence, err := strconv.ParseInt(fences[shard].Val()[strconv.Itoa(partition)], 10, 64)
			if err != nil {
				return false, err
			}
			if fence < mark {
				return false, nil
			}
		}
	}
	return true, nil
}

// checkApplied requires that every activity is on its board. One may be counted as
// repeated: Redis had applied it, but the answer came too late.
func (a *arena) checkApplied() {
	a.b.Helper()
	programs.Await(a.b, "all activities to be counted as applied", func() error {
		if applied := a.applied(); applied != a.handed {
			return fmt.Errorf("of %d activities %d are", a.handed, applied)
		}
		return nil
	})
}

// applied is how many activities the projectors know to be on their boards.
func (a *arena) applied() int {
	applied := 0.0
	for _, p := range a.projectors {
		for _, outcome := range []string{"applied", "repeated"} {
			applied += p.Metric("leaderboard_records_total", "outcome", outcome)
		}
	}
	return int(applied)
}

// pause freezes the projectors.
func (a *arena) pause() {
	for _, p := range a.projectors {
		p.Pause()
	}
}

func (a *arena) resume() {
	for _, p := range a.projectors {
		p.Resume()
	}
}

// stop ends what the arena has started before the benchmarks' end.
func (a *arena) stop() {
	a.b.Helper()
	for _, p := range a.projectors {
		p.Stop()
	}
	_ = a.redis.Close()
	a.server.Kill()
}
