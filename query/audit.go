package query

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// outdatedBoards counts the boards that differ from what their log gives under the
// catalog as it stands, because that has changed since they were folded.
func (s *store) outdatedBoards(ctx context.Context, v *view) (int, error) {
	pipe := s.redis.Pipeline()
	rules, passed := make([]*redis.MapStringStringCmd, v.layout.Shards), make([]*redis.MapStringStringCmd, v.layout.Shards)
	for shard := range v.layout.Shards {
		rules[shard] = pipe.HGetAll(ctx, v.layout.RulesKey(shard))
		passed[shard] = pipe.HGetAll(ctx, v.layout.PassedKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return 0, s.failed("read the rules of the boards", err)
	}
	outdated := 0
	for shard := range v.layout.Shards {
		names := rules[shard].Val()
		for name := range passed[shard].Val() {
			names[name] += "" // a board of which all was passed over has no rule
		}
		for name, text := range names {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return 0, err
			}
			rule, _ := leaderboard.ParseRule(text)
			count, _ := strconv.ParseInt(passed[shard].Val()[name], 10, 64)
			if v.catalog.Outdated(board, rule, count) != "" {
				outdated++
			}
		}
	}
	return outdated, nil
}
