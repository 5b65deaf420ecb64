package projector

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// checkEviction refuses a Redis that would drop keys when its memory is full: a
// board that lost entries that way would differ from its log, and no fence would
// tell. Policies that touch only keys with an expiry are fine.
func (p *Projector) checkEviction(ctx context.Context) error {
	check := func(ctx context.Context, node *redis.Client) error {
		info, err := node.InfoMap(ctx, "memory").Result()
		var refused redis.Error
		if errors.As(err, &refused) {
			return nil // an embedded store that knows no memory settings, and drops nothing
		}
		if err != nil {
			return fmt.Errorf("ask redis for its memory settings: %w", p.counted(err))
		}
		if policy := info["Memory"]["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys-") {
			return fmt.Errorf("redis at %s drops keys when its memory is full (maxmemory-policy %s): set maxmemory-policy to noeviction", node.Options().Addr, policy)
		}
		return nil
	}
	switch client := p.redis.(type) {
	case *redis.ClusterClient:
		return client.ForEachMaster(ctx, check)
	case *redis.Client:
		return check(ctx, client)
	default:
		return nil
	}
}
