package fold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/projector"
	"leaderboard/test/oracle"
	"leaderboard/test/servers"
)

// TestBoardsEqualOracle folds thousands of random activities of all types on a
// real Redis, in batches of all sizes, with batches sent again and projectors
// that begin anew in the middle, and compares every board with the oracle.
func TestBoardsEqualOracle(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
			defer client.Close()
			foldAndCompare(t, client, seed)
		})
	}
}

// TestBoardsEqualOracleOnACluster does the same on a Redis Cluster of three.
func TestBoardsEqualOracleOnACluster(t *testing.T) {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servers.RedisCluster(t, 3), MaxRetries: -1})
	defer client.Close()
	foldAndCompare(t, client, 1)
	err := client.ForEachMaster(context.Background(), func(ctx context.Context, node *redis.Client) error {
		n, err := node.DBSize(ctx).Result()
		if n == 0 {
			t.Errorf("node %s holds nothing", node.Options().Addr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func foldAndCompare(t *testing.T, client redis.UniversalClient, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	rules := foldRules()
	log := randomLog(random, rules, 12_000, 3)
	want := oracle.NewDeduping(rules, dedupeWindow.Milliseconds())
	foldShuffled(t, random, client, log, rules, want)
	compareWithOracle(t, client, rules, want)
}

// foldRules are boards of every aggregate and order.
func foldRules() map[leaderboard.Board]oracle.Rule {
	rules := map[leaderboard.Board]oracle.Rule{}
	for _, aggregate := range []string{"sum", "max", "min", "latest"} {
		for _, ascending := range []bool{false, true} {
			for period := range 3 {
				b := leaderboard.Board{Org: 50711, Group: 232, Rule: leaderboard.TargetRuleID(len(rules) + 1), Period: leaderboard.PeriodID(period + 1)}
				rules[b] = oracle.Rule{Aggregate: aggregate, Ascending: ascending}
			}
		}
	}
	return rules
}

// randomLog makes a log of several partitions; a user may be in all of them. Few
// users, few times and few values make ties and stale totals common; some values
// lie at the ends of the range.
func randomLog(random *rand.Rand, rules map[leaderboard.Board]oracle.Rule, records, partitions int) [][]oracle.Activity {
	boards := slices.SortedFunc(mapKeys(rules), func(a, b leaderboard.Board) int { return int(a.Rule - b.Rule) })
	types := []string{"activity", "activity", "activity", "activity", "activity", "total", "total", "enrol", "withdraw"}
	log := make([][]oracle.Activity, partitions)
	for i := range records {
		milli := random.Int64N(20_000) - 5_000
		switch random.IntN(30) {
		case 0:
			milli = int64(leaderboard.MaxValue) - random.Int64N(3)
		case 1:
			milli = -int64(leaderboard.MaxValue) + random.Int64N(3)
		}
		p := random.IntN(partitions)
		log[p] = append(log[p], oracle.Activity{
			Type:      types[random.IntN(len(types))],
			Board:     boards[random.IntN(len(boards))],
			User:      1 + random.Int64N(40),
			Milli:     milli,
			Time:      1_700_000_000_000 + random.Int64N(50)*0x1_0000_0001,
			Published: 1_700_000_000_000 + int64(i),
		})
		here := log[p]
		switch last := &here[len(here)-1]; random.IntN(4) {
		case 0:
			last.EventID = fmt.Sprintf("event %d", i)
		case 1: // sent before, lately or long ago
			published := last.Published
			*last = here[random.IntN(len(here))]
			last.Published = published
		}
	}
	return log
}

func mapKeys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// foldShuffled applies the log in batches of random size, partitions in random
// turns, and folds into the oracle what is new in the same order.
func foldShuffled(t *testing.T, random *rand.Rand, client redis.UniversalClient, log [][]oracle.Activity, rules map[leaderboard.Board]oracle.Rule, want *oracle.Oracle) {
	t.Helper()
	ctx := context.Background()
	boards := newBoards(t, client)
	positions := make([]int, len(log)) // where the projector reads on
	reached := make([]int, len(log))   // how far the oracle has come
	resume := func() {
		for p := range log {
			progress, err := boards.Resume(ctx, leaderboard.Extent{Partition: p, End: int64(len(log[p]))})
			if err != nil {
				t.Fatal(err)
			}
			if progress.Next > int64(reached[p]) || progress.Judged > int64(reached[p]) {
				t.Fatalf("partition %d: progress %+v is ahead of %d", p, progress, reached[p])
			}
			positions[p] = int(progress.Next)
		}
	}
	resume()
	for {
		var open []int
		for p := range log {
			if positions[p] < len(log[p]) {
				open = append(open, p)
			}
		}
		if len(open) == 0 {
			break
		}
		p := open[random.IntN(len(open))]
		from := positions[p]
		to := min(len(log[p]), from+1+random.IntN(1+random.IntN(2000)))
		batch := leaderboard.Batch{Partition: p, From: int64(from), To: int64(to)}
		for offset := from; offset < to; offset++ {
			batch.Records = append(batch.Records, recordOf(log[p][offset], rules, int64(offset)))
		}
		outcome, err := boards.Apply(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		if sum := outcome.Applied + outcome.Repeated + outcome.Stale + outcome.Duplicated; sum != len(batch.Records) {
			t.Fatalf("the outcome %+v is of %d records, not of %d", outcome, sum, len(batch.Records))
		}
		for offset := max(from, reached[p]); offset < to; offset++ {
			want.Fold(log[p][offset])
		}
		positions[p] = to
		reached[p] = max(reached[p], to)
		switch random.IntN(12) {
		case 0:
			if _, err := boards.Sync(ctx, p, int64(to)); err != nil {
				t.Fatal(err)
			}
		case 1: // a new process, which begins where Redis says
			boards = newBoards(t, client)
			resume()
		case 2: // a Redis that knows no script any more
			if err := onEveryNode(client, func(node *redis.Client) error { return node.ScriptFlush(ctx).Err() }); err != nil {
				t.Fatal(err)
			}
		case 3: // a Redis that has lost everything, noticed on a busy and on an idle partition
			if to < 1000 || to < reached[p] || random.IntN(4) > 0 {
				break // what is read for the second time is passed over without asking Redis
			}
			if err := onEveryNode(client, func(node *redis.Client) error { return node.FlushAll(ctx).Err() }); err != nil {
				t.Fatal(err)
			}
			expectTailLost(t, boards, p, positions[p])
			clear(reached)
			want.Forget()
			resume()
		}
	}
}

// expectTailLost asks the boards of a partition, at rest, for what must be lost.
func expectTailLost(t *testing.T, boards *projector.Boards, partition, position int) {
	t.Helper()
	ctx := context.Background()
	if _, err := boards.Sync(ctx, partition, int64(position)); !errors.Is(err, leaderboard.ErrTailLost) {
		t.Fatalf("Sync after the loss gave %v", err)
	}
	batch := leaderboard.Batch{Partition: partition, From: int64(position), To: int64(position) + 1}
	for b, rule := range foldRules() {
		a := oracle.Activity{Type: "activity", Board: b, User: 1, Time: 1, Published: 1}
		batch.Records = append(batch.Records, recordOf(a, map[leaderboard.Board]oracle.Rule{b: rule}, int64(position)))
	}
	if _, err := boards.Apply(ctx, batch); !errors.Is(err, leaderboard.ErrTailLost) {
		t.Fatalf("Apply after the loss gave %v", err)
	}
}

func recordOf(a oracle.Activity, rules map[leaderboard.Board]oracle.Rule, offset int64) leaderboard.Record {
	order := leaderboard.Descending
	if rules[a.Board].Ascending {
		order = leaderboard.Ascending
	}
	return leaderboard.Record{
		Offset: offset, Published: leaderboard.Millis(a.Published), Board: a.Board,
		Rule: leaderboard.Rule{Aggregate: leaderboard.Aggregate(rules[a.Board].Aggregate), Order: order},
		Type: leaderboard.ActivityType(a.Type), UserID: leaderboard.UserID(a.User),
		EventID: a.EventID, Value: leaderboard.Value(a.Milli), Time: leaderboard.Millis(a.Time),
	}
}

// dedupeWindow is short enough for events to come again after it: a record of the
// random log is published every millisecond.
const dedupeWindow = 3 * time.Second

func newBoards(t *testing.T, client redis.UniversalClient) *projector.Boards {
	t.Helper()
	p, err := projector.New(projector.Config{Redis: client, DedupeWindow: dedupeWindow, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewPedanticRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return p.Boards()
}

var generationOne = leaderboard.Layout{Generation: 1, Shards: 16}

// compareWithOracle reads every board from Redis and compares it whole.
func compareWithOracle(t *testing.T, client redis.UniversalClient, rules map[leaderboard.Board]oracle.Rule, want *oracle.Oracle) {
	t.Helper()
	ctx := context.Background()
	for _, b := range want.Boards() {
		if got, want := readRanking(t, client, b, rules[b].Ascending), want.Ranking(b); !slices.Equal(got, want) {
			t.Errorf("board %s %+v:\n got %v\nwant %v", b, rules[b], got, want)
		}
		users, err := client.HLen(ctx, generationOne.UsersKey(b)).Result()
		if err != nil || int(users) != len(want.Ranking(b)) {
			t.Errorf("board %s: %d users' times for %d entries (%v)", b, users, len(want.Ranking(b)), err)
		}
		synced, err := client.HGet(ctx, generationOne.BoardsKey(generationOne.Shard(b)), b.String()).Int64()
		if err != nil || synced != want.Synced(b) {
			t.Errorf("board %s: lastSyncTime %d instead of %d (%v)", b, synced, want.Synced(b), err)
		}
	}
}

// readRanking reads a board with ZREVRANGE, as readers do. The member is taken
// apart here by hand: 2^48-1 minus time in six bytes, 2^63-1 minus user in eight.
func readRanking(t *testing.T, client redis.UniversalClient, b leaderboard.Board, ascending bool) []oracle.Entry {
	t.Helper()
	members, err := client.ZRevRangeWithScores(context.Background(), generationOne.RankKey(b), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	entries := []oracle.Entry{}
	for _, m := range members {
		member := m.Member.(string)
		if len(member) != 14 {
			t.Fatalf("member %x has not 14 bytes", member)
		}
		at, timeErr := strconv.ParseInt(fmt.Sprintf("%x", member[:6]), 16, 64)
		user, userErr := strconv.ParseInt(fmt.Sprintf("%x", member[6:]), 16, 64)
		if err := errors.Join(timeErr, userErr); err != nil {
			t.Fatalf("member %x: %v", member, err)
		}
		milli := int64(m.Score)
		if ascending {
			milli = -milli
		}
		entries = append(entries, oracle.Entry{User: 1<<63 - 1 - user, Milli: milli, Time: 1<<48 - 1 - at})
	}
	return entries
}

// onEveryNode does something to a single Redis, or to every master of a cluster.
func onEveryNode(client redis.UniversalClient, do func(*redis.Client) error) error {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(context.Background(), func(_ context.Context, node *redis.Client) error { return do(node) })
	case *redis.Client:
		return do(c)
	default:
		panic("neither a single Redis nor a cluster")
	}
}
