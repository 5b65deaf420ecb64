package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// Generation is what Redis holds of one generation of boards.
type Generation struct {
	leaderboard.Layout
	// Read is true of the one generation that readers use.
	Read bool
	// Dropped is true of one whose drop did not come to its end.
	Dropped bool
	// DedupeWindow is the one that it is built with; nil before a projector has
	// settled it.
	DedupeWindow *leaderboard.Millis
	Boards       int64
	// Next is, by partition, the first offset that is not applied on every shard
	// yet. A partition that it lacks has not begun.
	Next map[int]int64
	// Furthest is, by partition, the offset up to which the shard that is ahead of the
	// others has applied it.
	Furthest map[int]int64
	// Incomplete are the partitions that are being read again from their start.
	Incomplete []int
	Holes      []Hole
}

// Hole is a range of a partition that was deleted from the log before it was
// read: from From up to but not including To.
type Hole struct {
	Partition int
	From, To  int64
}

// ErrNoGeneration says that Redis does not know a generation.
var ErrNoGeneration = errors.New("redis has no such generation; generations list shows which there are")

// Generations are all generations of which Redis holds something, by number.
func Generations(ctx context.Context, client redis.UniversalClient) ([]Generation, error) {
	meta, err := client.HGetAll(ctx, leaderboard.MetaKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", leaderboard.MetaKey, err)
	}
	var all []Generation
	for field, value := range meta {
		number, ok := leaderboard.ParseMetaShards(field)
		dropped := !ok
		if dropped {
			number, ok = leaderboard.ParseMetaDropped(field)
		}
		if !ok {
			continue
		}
		shards, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("the field %s of %s is %q, not a number of shards", field, leaderboard.MetaKey, value)
		}
		g := Generation{Layout: leaderboard.Layout{Generation: number, Shards: shards}, Dropped: dropped}
		if err := g.describe(ctx, client, meta); err != nil {
			return nil, fmt.Errorf("generation %d: %w", number, err)
		}
		if g.Boards > 0 || len(g.Next) > 0 || !dropped {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b Generation) int { return cmp.Compare(a.Generation, b.Generation) })
	return all, nil
}

func (g *Generation) describe(ctx context.Context, client redis.UniversalClient, meta map[string]string) error {
	g.Read = meta[leaderboard.MetaRead] == strconv.Itoa(g.Generation)
	var err error
	if g.DedupeWindow, err = readDedupeWindow(meta, g.Generation); err != nil {
		return err
	}
	for field, value := range meta {
		if text, ok := strings.CutPrefix(field, leaderboard.MetaIncompletePrefix(g.Generation)); ok {
			partition, err := strconv.Atoi(text)
			if err != nil {
				return fmt.Errorf("%s has a field %q", leaderboard.MetaKey, field)
			}
			g.Incomplete = append(g.Incomplete, partition)
		}
		if text, ok := strings.CutPrefix(field, leaderboard.MetaHolePrefix(g.Generation)); ok {
			var h Hole
			if _, err := fmt.Sscanf(text+" "+value, "%d:%d %d", &h.Partition, &h.From, &h.To); err != nil {
				return fmt.Errorf("%s has a field %q: %w", leaderboard.MetaKey, field, err)
			}
			g.Holes = append(g.Holes, h)
		}
	}
	slices.Sort(g.Incomplete)
	slices.SortFunc(g.Holes, func(a, b Hole) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
	})
	return g.measure(ctx, client)
}

// measure asks every shard for its fences and how many boards it has.
func (g *Generation) measure(ctx context.Context, client redis.UniversalClient) error {
	pipe := client.Pipeline()
	fences, boards := make([]*redis.MapStringStringCmd, g.Shards), make([]*redis.IntCmd, g.Shards)
	for shard := range g.Shards {
		fences[shard] = pipe.HGetAll(ctx, g.FenceKey(shard))
		boards[shard] = pipe.HLen(ctx, g.BoardsKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	g.Next, g.Furthest = map[int]int64{}, map[int]int64{}
	shardsOf := map[int]int{}
	for shard := range g.Shards {
		g.Boards += boards[shard].Val()
		byPartition, err := parseFences(g.FenceKey(shard), fences[shard].Val())
		if err != nil {
			return err
		}
		for partition, next := range byPartition {
			if lowest, seen := g.Next[partition]; !seen || next < lowest {
				g.Next[partition] = next
			}
			g.Furthest[partition] = max(g.Furthest[partition], next)
			shardsOf[partition]++
		}
	}
	for partition, shards := range shardsOf {
		if shards < g.Shards { // a shard without a fence is at the start of the log
			g.Next[partition] = 0
		}
	}
	return nil
}

// Promote makes a generation the one that readers use, at one moment for all of
// them, and tells which was before.
func Promote(ctx context.Context, client redis.UniversalClient, generation int) (before string, err error) {
	err = changeMeta(ctx, client, func(meta map[string]string, now time.Time) (metaChange, error) {
		if _, there := meta[leaderboard.MetaShards(generation)]; !there {
			return metaChange{}, fmt.Errorf("generation %d: %w", generation, ErrNoGeneration)
		}
		before = meta[leaderboard.MetaRead]
		c := metaChange{set: map[string]any{leaderboard.MetaRead: generation}, remove: []string{leaderboard.MetaRetired(generation)}}
		if old, err := strconv.Atoi(before); err == nil && old != generation {
			c.set[leaderboard.MetaRetired(old)] = now.UnixMilli()
		}
		return c, nil
	})
	return before, err
}
