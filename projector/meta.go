package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// metaChange is what is to be written to lb:meta.
type metaChange struct {
	set    map[string]any
	remove []string
}

// metaAttempts bounds how often a change of lb:meta is tried again because
// another one came between.
const metaAttempts = 20

// changeMeta changes lb:meta in a way that depends on what it holds, in one atomic
// step. Now is Redis' own clock. A change that sets nothing is not written.
func changeMeta(ctx context.Context, client redis.UniversalClient, decide func(meta map[string]string, now time.Time) (metaChange, error)) error {
	attempt := func(tx *redis.Tx) error {
		now, err := tx.Time(ctx).Result()
		if err != nil {
			return err
		}
		meta, err := tx.HGetAll(ctx, leaderboard.MetaKey).Result()
		if err != nil {
			return err
		}
		c, err := decide(meta, now)
		if err != nil || len(c.set) == 0 {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.HSet(ctx, leaderboard.MetaKey, c.set)
			if len(c.remove) > 0 {
				pipe.HDel(ctx, leaderboard.MetaKey, c.remove...)
			}
			return nil
		})
		return err
	}
	for range metaAttempts {
		err := client.Watch(ctx, attempt, leaderboard.MetaKey)
		if !errors.Is(err, redis.TxFailedErr) {
			return err
		}
	}
	return fmt.Errorf("%s was changed by others all the time, %d times over", leaderboard.MetaKey, metaAttempts)
}
