package projector

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// dropPasses bounds how often a generation is freed again because something of it
// came back.
const dropPasses = 3

// Drop frees a generation in steps that no client of Redis has to wait for. It
// refuses the one that is read. One that was read until lately it frees only when
// grace has gone by since: readers go on with it until they have noticed.
//
// The first step forbids the generation to its writers for ever. A drop that is
// cut off after that is finished by another one.
func Drop(ctx context.Context, client redis.UniversalClient, generation int, grace time.Duration) error {
	layout, err := forbid(ctx, client, generation, grace)
	if err != nil {
		return err
	}
	for range dropPasses {
		left, err := remaining(ctx, client, layout)
		if err != nil || len(left) == 0 {
			return err
		}
		for _, shard := range left {
			if err := free(ctx, client, layout, shard); err != nil {
				return fmt.Errorf("free shard %d of generation %d: %w", shard, generation, err)
			}
		}
	}
	return fmt.Errorf("generation %d is written to while it is freed: end its projectors, then drop it again", generation)
}

// forbid waits until readers are off the generation, and marks it as dropped.
func forbid(ctx context.Context, client redis.UniversalClient, generation int, grace time.Duration) (leaderboard.Layout, error) {
	layout := leaderboard.Layout{Generation: generation}
	for {
		var wait time.Duration
		err := changeMeta(ctx, client, func(meta map[string]string, now time.Time) (metaChange, error) {
			shards, err := droppable(meta, generation)
			if err != nil {
				return metaChange{}, err
			}
			layout.Shards = shards
			if wait = graceLeft(meta, generation, grace, now); wait > 0 {
				return metaChange{}, nil
			}
			return metaChange{
				set:    map[string]any{leaderboard.MetaDropped(generation): shards},
				remove: fieldsOf(meta, generation),
			}, nil
		})
		if err != nil || wait <= 0 {
			return layout, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return layout, ctx.Err()
		}
	}
}

// droppable tells the shards of a generation that may be dropped.
func droppable(meta map[string]string, generation int) (int, error) {
	if meta[leaderboard.MetaRead] == strconv.Itoa(generation) {
		return 0, fmt.Errorf("generation %d is the one that is read: promote another one first", generation)
	}
	for _, field := range []string{leaderboard.MetaShards(generation), leaderboard.MetaDropped(generation)} {
		if text, there := meta[field]; there {
			shards, err := strconv.Atoi(text)
			if err != nil {
				return 0, fmt.Errorf("the field %s of %s is %q, not a number of shards", field, leaderboard.MetaKey, text)
			}
			return shards, nil
		}
	}
	return 0, fmt.Errorf("generation %d: %w", generation, ErrNoGeneration)
}

// graceLeft is how much longer readers may be using a generation.
func graceLeft(meta map[string]string, generation int, grace time.Duration, now time.Time) time.Duration {
	retired, err := strconv.ParseInt(meta[leaderboard.MetaRetired(generation)], 10, 64)
	if err != nil {
		return 0 // never read, or dropped before
	}
	return time.UnixMilli(retired).Add(grace).Sub(now)
}

// fieldsOf are the fields of lb:meta that go with a generation.
func fieldsOf(meta map[string]string, generation int) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(meta)), func(field string) bool {
		return field != leaderboard.MetaShards(generation) && field != leaderboard.MetaDedupeWindow(generation) &&
			field != leaderboard.MetaRetired(generation) &&
			!strings.HasPrefix(field, leaderboard.MetaBegunPrefix(generation)) &&
			!strings.HasPrefix(field, leaderboard.MetaIncompletePrefix(generation)) &&
			!strings.HasPrefix(field, leaderboard.MetaHolePrefix(generation))
	})
}

// remaining are the shards of which Redis holds something.
func remaining(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout) ([]int, error) {
	pipe := client.Pipeline()
	found := make([]*redis.IntCmd, l.Shards)
	for shard := range found {
		found[shard] = pipe.Exists(ctx, l.FenceKey(shard), l.VersionKey(shard), l.BoardsKey(shard), l.RulesKey(shard), l.PassedKey(shard), l.SeenKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look for what is left of generation %d: %w", l.Generation, err)
	}
	var shards []int
	for shard, command := range found {
		if command.Val() > 0 {
			shards = append(shards, shard)
		}
	}
	return shards, nil
}

// free frees all that a shard holds. Its fence goes first: without it no writer
// can bring anything back.
func free(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) error {
	return Hold(ctx, client, l, shard, func(ctx context.Context) error {
		if err := client.Del(ctx, l.FenceKey(shard), l.VersionKey(shard), l.JournalKey(shard)).Err(); err != nil {
			return err
		}
		if err := unlink(ctx, client, l, shard); err != nil {
			return err
		}
		if err := forget(ctx, client, l, shard); err != nil {
			return err
		}
		return client.Unlink(ctx, l.RulesKey(shard)).Err()
	})
}
