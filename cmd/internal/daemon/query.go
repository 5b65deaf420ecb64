package daemon

import (
	"cmp"
	"context"
	"errors"
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
	tracer     *Tracer
	answerTime time.Duration
	log        *slog.Logger
}

// CheckOrigins finds fault with origins that pages cannot have.
func CheckOrigins(flag string, origins []string) error {
	var mistakes []error
	for _, origin := range origins {
		if err := query.CheckOrigin(origin); err != nil {
			mistakes = append(mistakes, Mistakenf(flag, "%v", err))
		}
	}
	return errors.Join(mistakes...)
}

// NewQuery wires the service to a bound listener. The tracer may be nil.
func NewQuery(c query.Config, api net.Listener, tracer *Tracer) (*Query, error) {
	server, err := query.New(c)
	if err != nil {
		return nil, err
	}
	return &Query{
		server: server, api: api, tracer: tracer,
		answerTime: cmp.Or(c.RequestTimeout, query.DefaultRequestTimeout), log: c.Log,
	}, nil
}

// Run answers until ctx ends; answers under way are finished.
func (q *Query) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ended(q.server.Run(ctx)) })
	group.Go(func() error {
		return serveHTTP(ctx, q.api, q.tracer.traceHTTP(q.server.Handler()), q.answerTime, q.log)
	})
	return group.Wait()
}

// Ready says what is missing.
func (q *Query) Ready(context.Context) error {
	return naming("--redis-addrs (REDIS_ADDRS)", q.server.Ready())
}
