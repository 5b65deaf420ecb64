package projector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// BeginRestore makes a generation, with its notes, that [RestoreShard] is to fill.
// It refuses one that anything was written to. With the notes there, a shard that
// is not restored to its end is one that has lost its fences: a projector makes it
// from nothing.
func BeginRestore(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, notes Notes) error {
	written, err := remaining(ctx, client, l)
	if err != nil {
		return err
	}
	return changeMeta(ctx, client, func(meta map[string]string, _ time.Time) (metaChange, error) {
		set := notes.fields(l.Generation)
		set[leaderboard.MetaShards(l.Generation)] = l.Shards
		return metaChange{set: set}, restorable(meta, l.Generation, len(written) > 0, set)
	})
}

// restorable finds fault with a generation that is to get those fields. One that a
// projector has settled, and no more, may get them.
func restorable(meta map[string]string, generation int, written bool, set map[string]any) error {
	if _, dropped := meta[leaderboard.MetaDropped(generation)]; dropped {
		return fmt.Errorf("generation %d was dropped and cannot be written again: restore into one of another number", generation)
	}
	shards, window := leaderboard.MetaShards(generation), leaderboard.MetaDedupeWindow(generation)
	for _, field := range fieldsOf(meta, generation) {
		written = written || (field != shards && field != window)
	}
	if written {
		return fmt.Errorf("generation %d is not empty: restore into one of another number; leaderboard generations drop %d frees this one", generation, generation)
	}
	for field, what := range map[string]string{shards: "shards", window: "ms of dedupe window"} {
		has, known := meta[field]
		if gets, given := set[field]; known && given && has != fmt.Sprint(gets) {
			return fmt.Errorf("generation %d has %s %s and the snapshot %v: restore into one of another number", generation, has, what, gets)
		}
	}
	return nil
}

// errInvaded says that a projector writes what is being restored.
var errInvaded = errors.New("a projector writes the generation: end it, then restore into a generation of another number")

// RestoreShard fills a shard of a generation that [BeginRestore] has made, board by
// board, in steps that none of Redis' clients has to wait for. Its fences come last.
// Each is called with the number of entries of every board.
func RestoreShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, s *ShardSnapshot, each func(entries int)) error {
	return Hold(ctx, client, l, shard, func(ctx context.Context) error {
		err := restoreShard(ctx, client, l, shard, s, each)
		if errors.Is(err, errInvaded) {
			// The projector is going to read the log from its start into the shard.
			err = errors.Join(err, unlink(ctx, client, l, shard), forget(ctx, client, l, shard))
		}
		return err
	})
}

func restoreShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, s *ShardSnapshot, each func(int)) error {
	for _, b := range s.Boards {
		r := Replacement{Board: b.Board, Rule: b.Rule, Synced: b.Synced, Entries: slices.Values(b.Entries)}
		err := ReplaceBoard(ctx, client, l, nil, r)
		if errors.Is(err, errMoved) {
			return errInvaded
		}
		if err != nil {
			return err
		}
		each(len(b.Entries))
	}
	for _, partition := range slices.Sorted(maps.Keys(s.Seen)) {
		if err := restoreSeen(ctx, client, l, shard, partition, s.Seen[partition]); err != nil {
			return fmt.Errorf("restore the events seen of partition %d: %w", partition, err)
		}
	}
	return restoreFences(ctx, client, l, shard, s)
}

// restoreSeen writes which half is being filled first: by that the halves are found
// when the shard is made from nothing.
func restoreSeen(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard, partition int, s SeenEvents) error {
	state := fillingText(s.Filling, s.Since)
	if err := client.HSet(ctx, l.SeenKey(shard), partition, state).Err(); err != nil {
		return err
	}
	for half, events := range s.Halves {
		key := l.SeenHalfKey(shard, partition, half)
		for step := range slices.Chunk(events, replaceStep) {
			fields := make([]any, 0, 2*len(step))
			for _, e := range step {
				fields = append(fields, e.Digest, int64(e.Published))
			}
			if err := client.HSet(ctx, key, fields...).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// restoreFences ends a shard: from then on projectors go on with it.
func restoreFences(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, s *ShardSnapshot) error {
	fences, passedOver := map[string]any{}, map[string]any{}
	for partition, next := range s.Fences {
		fences[strconv.Itoa(partition)] = next
	}
	for board, count := range s.PassedOver {
		passedOver[board.String()] = count
	}
	key := l.FenceKey(shard)
	err := client.Watch(ctx, func(tx *redis.Tx) error {
		n, err := tx.Exists(ctx, key).Result()
		switch {
		case err != nil:
			return err
		case n > 0:
			return errInvaded
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			if len(passedOver) > 0 {
				pipe.HSet(ctx, l.PassedKey(shard), passedOver)
			}
			if len(fences) > 0 {
				pipe.HSet(ctx, key, fences)
			}
			return nil
		})
		return err
	}, key)
	if errors.Is(err, redis.TxFailedErr) {
		return errInvaded
	}
	return err
}

// EndRestore lets readers use a restored generation when they have none yet, and
// tells whether they do.
func EndRestore(ctx context.Context, client redis.UniversalClient, generation int) (read bool, err error) {
	if err := client.HSetNX(ctx, leaderboard.MetaKey, leaderboard.MetaRead, generation).Err(); err != nil {
		return false, fmt.Errorf("write %s: %w", leaderboard.MetaKey, err)
	}
	now, err := client.HGet(ctx, leaderboard.MetaKey, leaderboard.MetaRead).Int()
	return now == generation, err
}
