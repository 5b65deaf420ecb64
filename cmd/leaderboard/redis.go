package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/cmd/internal/daemon"
)

// redisTimeout is how long the store has to answer at the start.
const redisTimeout = 10 * time.Second

// connectRedis reaches the store. The caller closes the client.
func connectRedis(ctx context.Context, settings *daemon.Redis) (redis.UniversalClient, error) {
	client, err := settings.Client(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the servers that --redis-addrs (REDIS_ADDRS) names: %w", err), client.Close())
	}
	return client, nil
}
