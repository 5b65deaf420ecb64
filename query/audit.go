package query

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// audit is what was found in looking at all boards.
type audit struct {
	// outdated is how many differ from what their log gives under the catalog as it
	// stands, because that has changed since they were folded.
	outdated int
	// lastSync is the latest lastSyncTime; 0 when there is no board.
	lastSync leaderboard.Millis
}

func (s *store) audit(ctx context.Context, v *view) (audit, error) {
	pipe := s.redis.Pipeline()
	rules, passed := make([]*redis.MapStringStringCmd, v.layout.Shards), make([]*redis.MapStringStringCmd, v.layout.Shards)
	syncs := make([]*redis.StringSliceCmd, v.layout.Shards)
	for shard := range v.layout.Shards {
		rules[shard] = pipe.HGetAll(ctx, v.layout.RulesKey(shard))
		passed[shard] = pipe.HGetAll(ctx, v.layout.PassedKey(shard))
		syncs[shard] = pipe.HVals(ctx, v.layout.BoardsKey(shard))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return audit{}, s.failed("look at all boards", err)
	}
	var found audit
	for shard := range v.layout.Shards {
		names := rules[shard].Val()
		for name := range passed[shard].Val() {
			names[name] += "" // a board of which all was passed over has no rule
		}
		for name, text := range names {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return audit{}, err
			}
			rule, _ := leaderboard.ParseRule(text)
			count, _ := strconv.ParseInt(passed[shard].Val()[name], 10, 64)
			if v.catalog.Outdated(board, rule, count) != "" {
				found.outdated++
			}
		}
		for _, sync := range syncs[shard].Val() {
			ms, err := strconv.ParseInt(sync, 10, 64)
			if err != nil {
				return audit{}, fmt.Errorf("%s holds the lastSyncTime %q", v.layout.BoardsKey(shard), sync)
			}
			found.lastSync = max(found.lastSync, leaderboard.Millis(ms))
		}
	}
	return found, nil
}
