package daemon

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"leaderboard/query"
)

// Query is the service that answers HTTP from Redis.
type Query struct {
	server     *query.Server
	api        net.Listener
	answerTime time.Duration
	log        *slog.Logger
}

// CheckClientsFile finds fault with a clients file that cannot be used.
func CheckClientsFile(path string) error {
	if _, err := query.LoadClients(path); err != nil {
		return Mistakenf("clients-file", "%v", err)
	}
	return nil
}

// NewQuery wires the service to a bound listener.
func NewQuery(c query.Config, api net.Listener) (*Query, error) {
	server, err := query.New(c)
	if err != nil {
		return nil, err
	}
	return &Query{server: server, api: api, answerTime: cmp.Or(c.RequestTimeout, query.DefaultRequestTimeout), log: c.Log}, nil
}

// Run answers until ctx ends; answers under way are finished.
func (q *Query) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(q.server.Run(ctx)) })
	group.Go(func() error { return serveHTTP(ctx, q.api, q.server.Handler(), q.answerTime, q.log) })
	return group.Wait()
}

// Ready says what is missing.
func (q *Query) Ready(context.Context) error {
	return naming("--redis-addrs (REDIS_ADDRS)", q.server.Ready())
}
