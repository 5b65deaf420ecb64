package consumer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

// Config is what a [Consumer] needs.
type Config struct {
	Cluster Cluster
	Topics  Topics
	// Group is the consumer group.
	Group string
	// Partitions is the number of partitions of the topics that it has to create.
	Partitions int

	Boards   Boards
	Catalog  Documents
	Profiles Documents

	// MaxBatchRecords bounds how many records are handled together. 0: 8,000.
	MaxBatchRecords int
	// SyncInterval is the time between two syncs of a partition. 0: 3 s.
	SyncInterval time.Duration

	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Consumer takes the topics to the boards and documents.
type Consumer struct {
	config Config
	client *kafka.Client
	// letters, erase and erasures write dead letters, erase activities, and which
	// of those are published.
	letters, erase, erasures *kafka.Writer

	catalog *catalog
	refused *Refused
	health  *health
	log     *slog.Logger
	metrics *metrics
}

// New makes a consumer. Nothing is started or connected.
func New(config Config) (*Consumer, error) {
	switch {
	case len(config.Cluster.Brokers) == 0:
		return nil, errors.New("no Kafka brokers are given")
	case config.Group == "":
		return nil, errors.New("no consumer group is given")
	case config.Boards == nil || config.Catalog == nil || config.Profiles == nil:
		return nil, errors.New("boards, catalog and profiles are needed")
	case config.Log == nil || config.Registerer == nil:
		return nil, errors.New("a logger and a metrics registerer are needed")
	}
	if config.Partitions <= 0 {
		config.Partitions = 4
	}
	if config.MaxBatchRecords <= 0 {
		config.MaxBatchRecords = 8_000
	}
	if config.SyncInterval <= 0 {
		config.SyncInterval = 3 * time.Second
	}
	t := config.Topics
	m := newMetrics(config.Registerer, t)
	client := config.Cluster.Client(t.Activities, t.Catalog, t.Profiles)
	return &Consumer{
		config:   config,
		client:   client,
		letters:  deadLetterWriter(config.Cluster, t.DeadLetters),
		erase:    config.Cluster.Writer(t.Activities),
		erasures: config.Cluster.Writer(t.Erasures),
		catalog:  newCatalog(client, t.Catalog, config.Log, m),
		refused:  NewRefused(config.Cluster, t),
		health:   newHealth(),
		log:      config.Log,
		metrics:  m,
	}, nil
}

// Ready is nil when the consumer does its work, else it names what is missing.
func (c *Consumer) Ready() error { return c.health.ready() }

// Run consumes until ctx ends, and returns when everything it started has ended.
// Servers that are away are awaited. An error means that going on would be wrong.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.client.Transport.(*kafka.Transport).CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	c.health.kafka.set(errors.New("not connected to Kafka yet"))
	c.ensureTopics(ctx)
	group.Go(func() error { return c.catalog.follow(ctx) })
	group.Go(func() error { return c.health.watch(ctx) })
	group.Go(func() error {
		c.catalog.load(ctx, c.health.kafka.set)
		c.health.catalogLoaded.Store(true)
		return c.serve(ctx)
	})
	return errors.Join(group.Wait(), c.letters.Close(), c.erase.Close(), c.erasures.Close())
}

// ensureTopics creates the missing topics, however long Kafka is away.
func (c *Consumer) ensureTopics(ctx context.Context) {
	wait := backoff{}
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := c.config.Cluster.Probe(attempt)
		if err == nil {
			_, err = c.config.Cluster.EnsureTopics(attempt, c.config.Topics.Plan(c.config.Partitions))
		}
		cancel()
		if err == nil {
			return
		}
		c.health.kafka.set(err)
		c.metrics.kafkaErrors.Inc()
		c.log.Warn("kafka cannot be used yet, trying again", "error", err)
		wait.sleep(ctx)
	}
}

// serve is a member of the group until ctx ends, generation by generation.
func (c *Consumer) serve(ctx context.Context) error {
	t := c.config.Topics
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                     c.config.Group,
		Brokers:                c.config.Cluster.Brokers,
		Dialer:                 c.config.Cluster.dialer(),
		Topics:                 []string{t.Activities, t.Catalog, t.Profiles},
		HeartbeatInterval:      time.Second,
		SessionTimeout:         10 * time.Second,
		RebalanceTimeout:       attemptTimeout + 10*time.Second,
		JoinGroupBackoff:       time.Second,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: 5 * time.Second,
		StartOffset:            kafka.FirstOffset,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for ctx.Err() == nil {
		generation, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, kafka.RebalanceInProgress) {
				c.health.kafka.set(err)
				c.metrics.kafkaErrors.Inc()
				c.log.Warn("joining the consumer group failed, trying again", "group", c.config.Group, "error", err)
			}
			continue
		}
		c.health.kafka.set(nil)
		c.health.joined.Store(true)
		c.start(ctx, generation, cancel)
	}
	err = group.Close()
	if cause := context.Cause(ctx); !temporary(cause) {
		return cause
	}
	return err
}

// start begins a lane for every partition assigned. A lane that may not go on
// calls fatal.
func (c *Consumer) start(ctx context.Context, generation *kafka.Generation, fatal context.CancelCauseFunc) {
	t := c.config.Topics
	for topic, assignments := range generation.Assignments {
		config := laneConfig{
			// The lanes of a topic share what may be under way.
			fetchBytes:      max(minFetchBytes, fetchBytes/max(1, len(assignments))),
			maxBatchRecords: c.config.MaxBatchRecords,
			syncInterval:    c.config.SyncInterval,
		}
		for _, assigned := range assignments {
			p := partition{c.client, topic, assigned.ID}
			commit := func(offset int64) error {
				return generation.CommitOffsets(map[string]map[int]int64{topic: {p.id: offset}})
			}
			var run func(context.Context) error
			switch topic {
			case t.Activities:
				run = newLane(c, p, commit, config, &activities{
					partition: p, boards: c.config.Boards, catalog: c.catalog, letters: c.letters, refused: c.refused, metrics: c.metrics,
				}).run
			case t.Catalog:
				documents := c.documents(p, c.config.Catalog, parseCatalogRecord)
				run = newLane(c, p, commit, config, &documents).run
			case t.Profiles:
				run = newLane(c, p, commit, config, &profiles{
					documents: c.documents(p, c.config.Profiles, parseProfileRecord), cluster: c.config.Cluster,
					erasuresTopic: t.Erasures, activities: c.erase, erasures: c.erasures,
				}).run
			}
			generation.Start(func(generationCtx context.Context) {
				// A function that returns ends the generation, so the lane runs
				// until the generation or the consumer ends.
				laneCtx, cancel := context.WithCancel(generationCtx)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				if err := run(laneCtx); err != nil {
					fatal(err)
				}
			})
		}
	}
	c.log.Info("partitions assigned", "group", generation.GroupID, "generation", generation.ID,
		"activities", partitionIDs(generation, t.Activities), "catalog", partitionIDs(generation, t.Catalog),
		"profiles", partitionIDs(generation, t.Profiles))
}

func partitionIDs(generation *kafka.Generation, topic string) []int {
	ids := make([]int, 0, len(generation.Assignments[topic]))
	for _, a := range generation.Assignments[topic] {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	return ids
}

func (c *Consumer) documents(p partition, store Documents, parse func(message) (leaderboard.Document, error)) documents {
	return documents{partition: p, store: store, parse: parse, log: c.log.With("topic", p.topic, "partition", p.id), metrics: c.metrics}
}

func newLane[R any](c *Consumer, p partition, commit func(int64) error, config laneConfig, h handler[R]) *lane[R] {
	return &lane[R]{
		partition: p,
		handler:   h,
		commit:    commit,
		config:    config,
		registry:  c.health,
		log:       c.log.With("topic", p.topic, "partition", p.id),
		metrics:   c.metrics,
	}
}
