package fold

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/projector"
	"leaderboard/test/oracle"
	"leaderboard/test/servers"
)

// TestLostFencesDoNotCountTwice takes fences away and leaves the boards: reading
// the log into those once more would count it twice.
func TestLostFencesDoNotCountTwice(t *testing.T) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
	defer client.Close()
	random := rand.New(rand.NewPCG(5, 6))
	rules := foldRules()
	log := randomLog(random, rules, 6_000, 1)[0]
	want := oracle.NewDeduping(rules, dedupeWindow.Milliseconds())
	for _, a := range log {
		want.Fold(a)
	}
	someBoard := want.Boards()[0]
	shard := generationOne.Shard(someBoard)
	losses := map[string]func() error{
		"the fences of a shard":            func() error { return client.Del(ctx, generationOne.FenceKey(shard)).Err() },
		"one partition's fence of a shard": func() error { return client.HDel(ctx, generationOne.FenceKey(shard), "0").Err() },
		"what is known of the generation":  func() error { return client.Del(ctx, leaderboard.MetaKey, generationOne.FenceKey(shard)).Err() },
		"a reset that was cut off": func() error {
			return client.Del(ctx, generationOne.FenceKey(shard), generationOne.RankKey(someBoard)).Err()
		},
	}
	for name, lose := range losses {
		boards := newBoards(t, client)
		if _, err := boards.Resume(ctx, leaderboard.Extent{Partition: 1}); err != nil { // an idle one
			t.Fatal(err)
		}
		foldAll(t, boards, log, rules, len(log)/2)
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if _, err := boards.Sync(ctx, 0, int64(len(log)/2)); !errors.Is(err, leaderboard.ErrTailLost) {
			t.Fatalf("without %s Sync gives %v", name, err)
		}
		foldAll(t, boards, log, rules, len(log))
		compareWithOracle(t, client, rules, want)
		if t.Failed() {
			t.Fatalf("without %s the boards differ", name)
		}
		if err := client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// foldAll resumes the one partition and folds it up to an offset.
func foldAll(t *testing.T, boards *projector.Boards, log []oracle.Activity, rules map[leaderboard.Board]oracle.Rule, end int) {
	t.Helper()
	ctx := context.Background()
	progress, err := boards.Resume(ctx, leaderboard.Extent{End: int64(len(log))})
	if err != nil {
		t.Fatal(err)
	}
	for from := int(progress.Next); from < end; from += 700 {
		to := min(end, from+700)
		batch := leaderboard.Batch{From: int64(from), To: int64(to)}
		for offset := from; offset < to; offset++ {
			batch.Records = append(batch.Records, recordOf(log[offset], rules, int64(offset)))
		}
		if _, err := boards.Apply(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := boards.Sync(ctx, 0, int64(end)); err != nil {
		t.Fatal(err)
	}
}
