package projector

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// Summary is what can be told of a board without reading its entries.
type Summary struct {
	Board leaderboard.Board
	// Synced is as that of a [BoardContent]: 0 of a board of which all was passed over.
	Synced  leaderboard.Millis
	Entries int64
	// Rule is zero when Redis knows none.
	Rule       leaderboard.Rule
	PassedOver int64
}

// summaryBoards is how many boards are asked for their size in one round trip.
const summaryBoards = 10_000

// Summaries tells of every board of a generation, in no order.
func Summaries(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout) ([]Summary, error) {
	pipe := client.Pipeline()
	registries, rules, passed := make([]*redis.MapStringStringCmd, l.Shards), make([]*redis.MapStringStringCmd, l.Shards), make([]*redis.MapStringStringCmd, l.Shards)
	for shard := range l.Shards {
		registries[shard] = pipe.HGetAll(ctx, l.BoardsKey(shard))
		rules[shard] = pipe.HGetAll(ctx, l.RulesKey(shard))
		passed[shard] = pipe.HGetAll(ctx, l.PassedKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("look at all boards: %w", err)
	}
	var all []Summary
	for shard := range l.Shards {
		boards, err := parseRegistry(l.BoardsKey(shard), registries[shard].Val())
		if err != nil {
			return nil, err
		}
		for name := range passed[shard].Val() {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.PassedKey(shard), err)
			}
			boards[board] += 0 // one of which all was passed over is not registered
		}
		for board, synced := range boards {
			s := Summary{Board: board, Synced: synced}
			s.Rule, _ = leaderboard.ParseRule(rules[shard].Val()[board.String()])
			s.PassedOver, _ = strconv.ParseInt(passed[shard].Val()[board.String()], 10, 64)
			all = append(all, s)
		}
	}
	for chunk := range slices.Chunk(all, summaryBoards) {
		if err := countEntries(ctx, client, l, chunk); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func countEntries(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, boards []Summary) error {
	pipe := client.Pipeline()
	sizes := make([]*redis.IntCmd, len(boards))
	for i := range boards {
		sizes[i] = pipe.ZCard(ctx, l.RankKey(boards[i].Board))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("look how large boards are: %w", err)
	}
	for i := range boards {
		boards[i].Entries = sizes[i].Val()
	}
	return nil
}
