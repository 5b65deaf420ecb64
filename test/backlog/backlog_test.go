package backlog

import (
	"context"
	"fmt"
	"math/rand/v2"
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

const (
	// container is the memory that the projector has to keep within, in bytes, and
	// goLimit what it makes of it.
	container = 256 << 20
	goLimit   = container / 10 * 9

	shortBacklog = 300_000
	partitions   = 4
	// between is how often the projector is asked how far it is.
	between = 200 * time.Millisecond
	// stalled is for how long it may make no progress.
	stalled = time.Minute
)

const catalog = `
orgs: [{orgId: 50711, name: Acme, timeZone: UTC}]
targetGroups:
  - targetGroupId: 232
    orgId: 50711
    name: Target
    periods: [{periodId: 243, refCode: period, start: 2020-01-01T00:00:00Z, end: 2120-01-01T00:00:00Z}]
    targets: [{targetRuleId: 366, name: target}]
`

var board = leaderboard.Board{Org: 50711, Group: 232, Rule: 366, Period: 243}

// TestBacklogWithinAContainer starts a projector on a log of which nothing is
// applied yet. Two records of five are of a new user: those of the long form do not
// all fit into the memory.
func TestBacklogWithinAContainer(t *testing.T) {
	records := shortBacklog
	if given := os.Getenv("BACKLOG"); given != "" {
		var err error
		if records, err = strconv.Atoi(given); err != nil {
			t.Fatalf("BACKLOG is %q, which is no number of records", given)
		}
	}
	topics := servers.Topics(t)
	kafka := []string{
		"--kafka-brokers", strings.Join(servers.Kafka(t), ","), "--kafka-partitions", strconv.Itoa(partitions),
		"--kafka-activities-topic", topics + "activities", "--kafka-catalog-topic", topics + "catalog",
		"--kafka-profiles-topic", topics + "profiles", "--kafka-deadletters-topic", topics + "deadletters",
		"--kafka-erasures-topic", topics + "erasures",
	}
	file := filepath.Join(t.TempDir(), "catalog.yaml")
	if err := os.WriteFile(file, []byte(catalog), 0o600); err != nil {
		t.Fatal(err)
	}
	programs.Run(t, "catalog", append([]string{"apply", "-f", file}, kafka...)...)
	sums := publish(t, topics+"activities", records)

	store := servers.RedisServer(t)
	projector := programs.Launch(t, []string{"GOMEMLIMIT=" + strconv.Itoa(goLimit)}, "projector",
		append(kafka, "--kafka-group", topics, "--redis-addrs", store.Addr())...)
	projector.AwaitReady()
	awaitApplied(t, projector, records)

	peak := projector.PeakMemory()
	t.Logf("%d records took %d MiB of memory at most", records, peak>>20)
	if peak > container {
		t.Errorf("it is over the %d MiB of the container", container>>20)
	}
	check(t, store.Addr(), sums)
}

// publish writes the log, and gives the sum of each user's values.
func publish(t *testing.T, topic string, records int) []leaderboard.Value {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers.Kafka(t)...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sums := make([]leaderboard.Value, records*2/5)
	random := rand.New(rand.NewPCG(7, 8))
	fail := func(_ *kgo.Record, err error) {
		if err != nil {
			t.Errorf("publish: %v", err)
		}
	}
	for i := range records {
		user := i
		if i >= len(sums) {
			user = random.IntN(len(sums))
		}
		value := leaderboard.Value(1 + random.Int64N(500_000))
		sums[user] += value
		client.Produce(context.Background(), &kgo.Record{
			Key: fmt.Appendf(nil, "%d:%d", board.Org, user+1),
			Value: fmt.Appendf(nil, `{"orgId":%d,"userId":%d,"targetGroupId":%d,"targetRuleId":%d,"value":%s,"activityTime":%d}`,
				board.Org, user+1, board.Group, board.Rule, value, 1669392880000+i),
		}, fail)
	}
	if err := client.Flush(context.Background()); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return sums
}

// awaitApplied waits until the projector has counted all records as applied. One may
// be counted as repeated: Redis had applied it, but the answer came too late.
func awaitApplied(t *testing.T, projector *programs.Program, records int) {
	t.Helper()
	applied, moved := 0, time.Now()
	for applied < records {
		time.Sleep(between)
		before := applied
		applied = int(projector.Metric("leaderboard_records_total", "outcome", "applied") + projector.Metric("leaderboard_records_total", "outcome", "repeated"))
		switch {
		case applied > before:
			moved = time.Now()
		case time.Since(moved) > stalled:
			t.Fatalf("of %d records %d are applied, and no more in %s", records, applied, stalled)
		}
	}
}

// check compares the board with the sums.
func check(t *testing.T, addr string, sums []leaderboard.Value) {
	t.Helper()
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	shards, err := client.HGet(ctx, leaderboard.MetaKey, leaderboard.MetaShards(1)).Int()
	if err != nil {
		t.Fatal(err)
	}
	key := leaderboard.Layout{Generation: 1, Shards: shards}.RankKey(board)
	const page = 10_000
	entries := 0
	for start := int64(0); ; start += page {
		some, err := client.ZRangeWithScores(ctx, key, start, start+page-1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range some {
			_, user, err := leaderboard.ParseMember(z.Member.(string))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := leaderboard.Value(z.Score), sums[user-1]; got != want {
				t.Fatalf("a user has %s, want %s", got, want)
			}
		}
		entries += len(some)
		if len(some) < page {
			break
		}
	}
	if entries != len(sums) {
		t.Errorf("the board has %d users, want %d", entries, len(sums))
	}
}
