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

// applyNative writes what the projector writes, ties and times included, with
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
	// present is true of a user who stands on the board already, by the time before.
	present bool
	before  leaderboard.Millis
}

func applyNativeBatch(ctx context.Context, client *redis.Client, set *boardSet, batch []event) error {
	steps := stepsOf(batch)
	if err := readTimes(ctx, client, set, steps); err != nil {
		return err
	}
	if err := readValues(ctx, client, set, steps); err != nil {
		return err
	}
	pipe := client.Pipeline()
	for _, step := range steps {
		writeStep(ctx, pipe, set.boards[step[0].board], step)
	}
	_, err := pipe.Exec(ctx)
	return err
}

// readTimes finds out who is present.
func readTimes(ctx context.Context, client *redis.Client, set *boardSet, steps [][]change) error {
	times := make([]*redis.SliceCmd, len(steps))
	pipe := client.Pipeline()
	for i, step := range steps {
		users := make([]string, len(step))
		for j := range step {
			users[j] = leaderboard.UserField(step[j].user)
		}
		times[i] = pipe.HMGet(ctx, nativeUsersKey(set.boards[step[0].board]), users...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i, step := range steps {
		for j, time := range times[i].Val() {
			text, present := time.(string)
			if !present {
				continue
			}
			before, err := leaderboard.ParseMemberTime(text)
			if err != nil {
				return err
			}
			step[j].present, step[j].before = true, before
		}
	}
	return nil
}

// readValues adds what those who are present have already.
func readValues(ctx context.Context, client *redis.Client, set *boardSet, steps [][]change) error {
	present, scores := make([][]*change, len(steps)), make([]*redis.FloatSliceCmd, len(steps))
	pipe := client.Pipeline()
	for i, step := range steps {
		var members []string
		for j := range step {
			if c := &step[j]; c.present {
				member := leaderboard.Member(c.before, c.user)
				members, present[i] = append(members, string(member[:])), append(present[i], c)
			}
		}
		if len(members) > 0 {
			scores[i] = pipe.ZMScore(ctx, nativeRankKey(set.boards[step[0].board]), members...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i := range steps {
		for j, c := range present[i] {
			c.value += leaderboard.Value(scores[i].Val()[j])
		}
	}
	return nil
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

// writeStep takes the old members away and puts the new ones and their times there.
func writeStep(ctx context.Context, pipe redis.Pipeliner, b leaderboard.Board, step []change) {
	var old []any
	members, times := make([]redis.Z, len(step)), make([]any, 0, 2*len(step))
	for i, c := range step {
		if c.present && c.time > c.before {
			member := leaderboard.Member(c.before, c.user)
			old = append(old, member[:])
		}
		c.time = max(c.time, c.before)
		member := leaderboard.Member(c.time, c.user)
		members[i] = redis.Z{Score: float64(c.value), Member: member[:]}
		times = append(times, leaderboard.UserField(c.user), leaderboard.MemberTime(c.time))
	}
	if len(old) > 0 {
		pipe.ZRem(ctx, nativeRankKey(b), old...)
	}
	pipe.ZAdd(ctx, nativeRankKey(b), members...)
	pipe.HSet(ctx, nativeUsersKey(b), times...)
}
