package projector

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// expandErasures puts in the place of every erasure a withdrawal from each board
// of the organisation: those that are registered, and those that the batch begins.
func (b *Boards) expandErasures(ctx context.Context, l leaderboard.Layout, records []leaderboard.Record) ([]leaderboard.Record, error) {
	if !slices.ContainsFunc(records, func(r leaderboard.Record) bool { return r.Type == leaderboard.TypeErase }) {
		return records, nil
	}
	boards, err := b.registered(ctx, l)
	if err != nil {
		return nil, err
	}
	expanded := make([]leaderboard.Record, 0, len(records))
	for _, r := range records {
		if r.Type != leaderboard.TypeErase {
			if r.Type != leaderboard.TypePassedOver {
				boards[r.Board] = true
			}
			expanded = append(expanded, r)
			continue
		}
		for board := range boards {
			if board.Org == r.Board.Org {
				expanded = append(expanded, leaderboard.Record{Offset: r.Offset, Board: board, Type: leaderboard.TypeWithdraw, UserID: r.UserID, Time: r.Time})
			}
		}
	}
	return expanded, nil
}

// registered are the boards of all shards.
func (b *Boards) registered(ctx context.Context, l leaderboard.Layout) (map[leaderboard.Board]bool, error) {
	commands, err := b.projector.pipelined(ctx, func(pipe redis.Pipeliner) {
		for shard := range l.Shards {
			pipe.HKeys(ctx, l.BoardsKey(shard))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the boards: %w", err)
	}
	boards := map[leaderboard.Board]bool{}
	for _, command := range commands {
		for _, name := range command.(*redis.StringSliceCmd).Val() {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return nil, err
			}
			boards[board] = true
		}
	}
	return boards, nil
}

// countErasuresOnce takes the withdrawals that were put in the place of erasures
// out of an outcome.
func countErasuresOnce(o leaderboard.Outcome, surplus int) leaderboard.Outcome {
	applied := min(o.Applied, surplus)
	o.Applied -= applied
	o.Repeated -= surplus - applied
	return o
}
