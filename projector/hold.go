package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

const (
	// holdTime is how long writers wait for a holder that has gone away.
	holdTime = 5 * time.Second
	// holdPoll is how often a shard that is held is tried again.
	holdPoll = 20 * time.Millisecond
)

// Hold keeps the writers of a shard waiting while do runs. A holder that goes away
// lets go within seconds; do's context ends when the hold cannot be kept.
func Hold(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, do func(context.Context) error) error {
	key := l.HoldKey(shard)
	if err := acquire(ctx, client, key); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		ticker := time.NewTicker(holdTime / 5)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := client.PExpire(ctx, key, holdTime).Err(); err != nil {
					cancel(fmt.Errorf("keep %s: %w", key, err))
				}
			}
		}
	}()
	err := do(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-kept
	release, done := context.WithTimeout(context.WithoutCancel(ctx), holdTime)
	defer done()
	return errors.Join(err, client.Del(release, key).Err())
}

// acquire stops those too who have looked at the shard already: they watch the key.
func acquire(ctx context.Context, client redis.UniversalClient, key string) error {
	for {
		mine, err := client.SetNX(ctx, key, "", holdTime).Result()
		if err != nil {
			return fmt.Errorf("hold %s: %w", key, err)
		}
		if mine {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-time.After(holdPoll):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a shard is held: %w", ctx.Err())
	}
}
