package bench

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

const (
	// Of 1, 2 and 4 connections, 200 to 5,000 commands in a pipeline, and 100 to
	// 2,000 entries in a command, the ceilings are highest with these. A partition
	// belongs to one connection.
	ceilingConnections = 2
	plainPipeline      = 5000
	nativeStep         = 100
	// nativeBatch is how many events are merged.
	nativeBatch = 20_000
)

// divide gives each connection of a ceiling its part of the stream, in order.
func (s *stream) divide(work func(events []event) error) error {
	parts := make([][]event, ceilingConnections)
	for _, e := range s.events {
		i := e.partition % ceilingConnections
		parts[i] = append(parts[i], e)
	}
	var group errgroup.Group
	for _, part := range parts {
		group.Go(func() error { return work(part) })
	}
	return group.Wait()
}

// applyPlain sends a ZINCRBY for every event. It keeps neither the time of the
// last activity nor its own progress, and counts twice what it reads twice.
func applyPlain(ctx context.Context, a *arena, s *stream) error {
	keys := make([]string, len(s.set.boards))
	for i, b := range s.set.boards {
		keys[i] = plainKey(b)
	}
	return s.divide(func(events []event) error {
		for step := range slices.Chunk(events, plainPipeline) {
			_, err := a.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for i := range step {
					pipe.ZIncrBy(ctx, keys[step[i].board], float64(step[i].value), strconv.FormatInt(int64(step[i].user), 10))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// applyNative writes what the projector writes, ties and states included, with
// plain commands: no fence, and only right as long as nobody else writes.
func applyNative(ctx context.Context, a *arena, s *stream) error {
	return s.divide(func(events []event) error {
		for batch := range slices.Chunk(events, nativeBatch) {
			if err := applyNativeBatch(ctx, a.redis, s.set, batch); err != nil {
				return err
			}
		}
		return nil
	})
}

// change is the sum of a user's events on a board.
type change struct {
	board int
	user  leaderboard.UserID
	value leaderboard.Value
	time  leaderboard.Millis
}

func applyNativeBatch(ctx context.Context, client *redis.Client, set *boardSet, batch []event) error {
	steps := stepsOf(batch)
	states := make([]*redis.SliceCmd, len(steps))
	read := client.Pipeline()
	for i, step := range steps {
		users := make([]string, len(step))
		for j := range step {
			users[j] = strconv.FormatInt(int64(step[j].user), 10)
		}
		states[i] = read.HMGet(ctx, nativeUsersKey(set.boards[step[0].board]), users...)
	}
	if _, err := read.Exec(ctx); err != nil {
		return err
	}
	write := client.Pipeline()
	for i, step := range steps {
		if err := writeStep(ctx, write, set.boards[step[0].board], step, states[i].Val()); err != nil {
			return err
		}
	}
	_, err := write.Exec(ctx)
	return err
}

// stepsOf merges the events of a batch and divides the changes into steps of one
// board each.
func stepsOf(batch []event) [][]change {
	type place struct {
		board int
		user  leaderboard.UserID
	}
	merged := make(map[place]int, len(batch))
	changes := make([]change, 0, len(batch))
	for i := range batch {
		e := &batch[i]
		n, known := merged[place{e.board, e.user}]
		if !known {
			n = len(changes)
			merged[place{e.board, e.user}] = n
			changes = append(changes, change{board: e.board, user: e.user})
		}
		changes[n].value += e.value
		changes[n].time = max(changes[n].time, e.time)
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.board - b.board })
	var steps [][]change
	for len(changes) > 0 {
		step := changes[:min(nativeStep, len(changes))]
		if n := slices.IndexFunc(step, func(c change) bool { return c.board != step[0].board }); n > 0 {
			step = step[:n]
		}
		steps = append(steps, step)
		changes = changes[len(step):]
	}
	return steps
}

// writeStep takes the old members away and puts the new ones and the states there.
func writeStep(ctx context.Context, pipe redis.Pipeliner, b leaderboard.Board, step []change, states []any) error {
	var old []any
	members, pairs := make([]redis.Z, len(step)), make([]any, 0, 2*len(step))
	for i, c := range step {
		if state, known := states[i].(string); known {
			time, value, err := leaderboard.ParseState(state)
			if err != nil {
				return err
			}
			c.value += value
			if c.time > time {
				member := leaderboard.Member(time, c.user)
				old = append(old, member[:])
			}
			c.time = max(c.time, time)
		}
		member := leaderboard.Member(c.time, c.user)
		members[i] = redis.Z{Score: float64(c.value), Member: member[:]}
		pairs = append(pairs, int64(c.user), leaderboard.State(c.time, c.value))
	}
	if len(old) > 0 {
		pipe.ZRem(ctx, nativeRankKey(b), old...)
	}
	pipe.ZAdd(ctx, nativeRankKey(b), members...)
	pipe.HSet(ctx, nativeUsersKey(b), pairs...)
	return nil
}
