package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/consumer"
	"leaderboard/projector"
)

// DefaultDedupeWindow is long enough for a producer that tries again after an outage.
const DefaultDedupeWindow = 24 * time.Hour

// ProjectorConfig is what a [Projector] needs.
type ProjectorConfig struct {
	Cluster    consumer.Cluster
	Topics     consumer.Topics
	Group      string
	Partitions int
	Redis      redis.UniversalClient
	// Generation is the one that is written; Shards is how many it has when it
	// has to be made.
	Generation, Shards int
	// DedupeWindow is how far apart two records with one event id may be published.
	DedupeWindow    time.Duration
	MaxBatchRecords int
	// RememberEntries bounds the entries kept in memory. 0: what the memory limit
	// has room for.
	RememberEntries int64
	SyncInterval    time.Duration
	// Tracer may be nil.
	Tracer     *Tracer
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Projector is the service that folds the log into the boards: a consumer that
// hands on to a projector.
type Projector struct {
	consumer  *consumer.Consumer
	projector *projector.Projector
}

// GroupOf is the consumer group of a generation. Two generations in one group would
// each get a part of the log.
func GroupOf(group string, generation int) string {
	if generation == 1 {
		return group
	}
	return fmt.Sprintf("%s-%d", group, generation)
}

// NewProjector wires the service.
func NewProjector(c ProjectorConfig) (*Projector, error) {
	if c.RememberEntries == 0 {
		c.RememberEntries = rememberEntries()
	}
	p, err := projector.New(projector.Config{
		Redis:           c.Redis,
		Generation:      c.Generation,
		Shards:          c.Shards,
		DedupeWindow:    c.DedupeWindow,
		RememberEntries: c.RememberEntries,
		Log:             c.Log,
		Registerer:      c.Registerer,
	})
	if err != nil {
		return nil, err
	}
	in, err := consumer.New(consumer.Config{
		Cluster:         c.Cluster,
		Topics:          c.Topics,
		Group:           c.Group,
		Partitions:      c.Partitions,
		Boards:          c.Tracer.traceBoards(p.Boards()),
		Catalog:         p.Catalog(),
		Profiles:        p.Profiles(),
		MaxBatchRecords: c.MaxBatchRecords,
		SyncInterval:    c.SyncInterval,
		Log:             c.Log,
		Registerer:      c.Registerer,
	})
	if err != nil {
		return nil, err
	}
	return &Projector{consumer: in, projector: p}, nil
}

// checkTimeout bounds the wait for a Redis that is away: the consumer asks again.
const checkTimeout = 5 * time.Second

// Run consumes until ctx ends; the batch in flight is finished. A projector that may
// not write its generation does not join the group, which would interrupt others.
func (p *Projector) Run(ctx context.Context) error {
	check, cancel := context.WithTimeout(ctx, checkTimeout)
	err := p.projector.Check(check)
	cancel()
	if errors.Is(err, leaderboard.ErrCannotGoOn) {
		return err
	}
	return p.consumer.Run(ctx)
}

// Ready says what is missing at either end, and which setting it hangs on.
func (p *Projector) Ready(ctx context.Context) error {
	return errors.Join(
		naming("--kafka-brokers (KAFKA_BROKERS)", p.consumer.Ready()),
		naming("--redis-addrs (REDIS_ADDRS)", p.projector.Ready(ctx)),
	)
}

func naming(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}
