package feed

import (
	"context"
	"fmt"
	"slices"

	"leaderboard"
	"leaderboard/consumer"
)

// IsEmpty tells whether a topic never held a record.
func IsEmpty(ctx context.Context, cluster consumer.Cluster, topic string) (bool, error) {
	extents, err := consumer.Extents(ctx, cluster, topic)
	if err != nil {
		return false, fmt.Errorf("look at topic %s: %w", topic, err)
	}
	return !slices.ContainsFunc(extents, func(e leaderboard.Extent) bool { return e.End > 0 }), nil
}
