package fold

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"leaderboard"
	"leaderboard/projector"
	"leaderboard/test/oracle"
	"leaderboard/test/servers"
)

// TestWritersRace lets three projectors write every partition at once, as zombies
// and their successors may, on few boards, where the same users have records in all
// partitions; and a reader holds shard after shard. Every record counts once.
func TestWritersRace(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
	defer client.Close()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	const partitions, writers = 3, 3
	random := rand.New(rand.NewPCG(rand.Uint64(), 1))
	rules := map[leaderboard.Board]oracle.Rule{
		{Org: 1, Group: 1, Rule: 1, Period: 1}: {Aggregate: "sum"},
		{Org: 1, Group: 1, Rule: 2, Period: 1}: {Aggregate: "max", Ascending: true},
		{Org: 1, Group: 1, Rule: 3, Period: 1}: {Aggregate: "min"},
	}
	log := racingLog(random, rules, 60_000, partitions)
	want := oracle.New(rules)
	for _, partition := range log {
		for _, a := range partition {
			want.Fold(a)
		}
	}

	var group, reading errgroup.Group
	var applied atomic.Int64
	for range writers {
		boards := newBoards(t, client)
		for partition := range partitions {
			seed := random.Uint64()
			group.Go(func() error {
				n, err := race(ctx, boards, rand.New(rand.NewPCG(seed, 2)), partition, log[partition], rules)
				applied.Add(int64(n))
				return err
			})
		}
	}
	reading.Go(func() error {
		for shard := 0; ctx.Err() == nil; shard = (shard + 1) % generationOne.Shards {
			every := func(registered []leaderboard.Board) []leaderboard.Board { return registered }
			_, err := projector.ReadShard(ctx, client, generationOne, shard, every, func(int) {})
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	end()
	if err := reading.Wait(); err != nil {
		t.Error(err)
	}
	if applied.Load() != 60_000 {
		t.Errorf("%d records were applied, want each of 60,000 once", applied.Load())
	}
	compareWithOracle(t, client, rules, want)
}

// TestWritersRemember lets two projectors write in turn to the same users' entries.
// Once each knows that there is another one, neither reads an entry any more.
func TestWritersRemember(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
	defer client.Close()
	ctx := context.Background()
	random := rand.New(rand.NewPCG(rand.Uint64(), 1))
	rules := map[leaderboard.Board]oracle.Rule{{Org: 1, Group: 1, Rule: 1, Period: 1}: {Aggregate: "sum"}}
	const partitions, rounds, records = 2, 10, 1000
	want := oracle.New(rules)
	boards := make([]*projector.Boards, partitions)
	for partition := range boards {
		boards[partition] = newBoards(t, client)
		if _, err := boards[partition].Resume(ctx, leaderboard.Extent{Partition: partition, End: rounds * records}); err != nil {
			t.Fatal(err)
		}
	}
	for round := range int64(rounds) {
		if round == 2 {
			if err := client.ConfigResetStat(ctx).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for partition := range boards {
			batch := leaderboard.Batch{Partition: partition, From: round * records, To: (round + 1) * records}
			for _, a := range racingLog(random, rules, records, 1)[0] {
				a.User = 1 + int64(len(batch.Records)) // everybody's entry, each time
				want.Fold(a)
				batch.Records = append(batch.Records, recordOf(a, rules, batch.From+int64(len(batch.Records))))
			}
			if _, err := boards[partition].Apply(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	stats, err := client.Info(ctx, "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stats, "cmdstat_zadd") || strings.Contains(stats, "cmdstat_zmscore") {
		t.Errorf("entries that are remembered were read:\n%s", stats)
	}
	compareWithOracle(t, client, rules, want)
}

// racingLog holds only what comes out the same in every order of the partitions.
func racingLog(random *rand.Rand, rules map[leaderboard.Board]oracle.Rule, records, partitions int) [][]oracle.Activity {
	boards := slices.SortedFunc(mapKeys(rules), func(a, b leaderboard.Board) int { return int(a.Rule - b.Rule) })
	log := make([][]oracle.Activity, partitions)
	for i := range records {
		p := random.IntN(partitions)
		log[p] = append(log[p], oracle.Activity{
			Type:      "activity",
			Board:     boards[random.IntN(len(boards))],
			User:      1 + random.Int64N(5000),
			Milli:     random.Int64N(20_000),
			Time:      1_700_000_000_000 + random.Int64N(1_000_000),
			Published: 1_700_000_000_000 + int64(i),
		})
	}
	return log
}

// race applies a partition in batches of random size, and counts what it applied.
func race(ctx context.Context, boards *projector.Boards, random *rand.Rand, partition int, log []oracle.Activity, rules map[leaderboard.Board]oracle.Rule) (applied int, err error) {
	extent := leaderboard.Extent{Partition: partition, End: int64(len(log))}
	progress, err := boards.Resume(ctx, extent)
	if err != nil {
		return 0, err
	}
	for next := progress.Next; next < extent.End; {
		to := min(extent.End, next+1+random.Int64N(6000))
		batch := leaderboard.Batch{Partition: partition, From: next, To: to}
		for offset := next; offset < to; offset++ {
			batch.Records = append(batch.Records, recordOf(log[offset], rules, offset))
		}
		outcome, err := boards.Apply(ctx, batch)
		if errors.Is(err, leaderboard.ErrTailLost) {
			return applied, fmt.Errorf("partition %d: %w", partition, err)
		}
		if err != nil {
			return applied, err
		}
		applied += outcome.Applied
		next = to
	}
	return applied, nil
}
