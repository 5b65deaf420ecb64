package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// catalog holds the whole catalog topic in memory and follows it.
type catalog struct {
	client  *kafka.Client
	topic   string
	log     *slog.Logger
	metrics *metrics

	snapshot atomic.Pointer[leaderboard.Catalog]

	mu        sync.Mutex
	building  *leaderboard.Catalog
	positions map[int]int64
	// moved is closed, and made anew, when a position moves.
	moved chan struct{}
}

func newCatalog(client *kafka.Client, topic string, log *slog.Logger, m *metrics) *catalog {
	c := &catalog{
		client: client, topic: topic, log: log, metrics: m,
		building:  leaderboard.NewCatalog(),
		positions: map[int]int64{},
		moved:     make(chan struct{}),
	}
	c.snapshot.Store(leaderboard.NewCatalog())
	return c
}

// current is the catalog as far as it is read. It is not to be changed.
func (c *catalog) current() *leaderboard.Catalog { return c.snapshot.Load() }

// follow reads the topic from its start, and on, until ctx ends. Partitions that
// are added later are followed too.
func (c *catalog) follow(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	followed := map[int]bool{}
	wait := backoff{}
	for ctx.Err() == nil {
		ids, err := listPartitions(ctx, c.client, c.topic)
		if err != nil {
			c.failed(ctx, err, &wait)
			continue
		}
		for _, id := range ids {
			if !followed[id] {
				followed[id] = true
				group.Go(func() error { return c.followPartition(ctx, partition{c.client, c.topic, id}) })
			}
		}
		wait.next = maxBackoff
		wait.sleep(ctx)
	}
	return group.Wait()
}

func (c *catalog) followPartition(ctx context.Context, p partition) error {
	wait := backoff{}
	next := int64(-1)
	for ctx.Err() == nil {
		if next < 0 {
			first, _, err := p.bounds(ctx)
			if err != nil {
				c.failed(ctx, err, &wait)
				continue
			}
			next = first
			c.take(p, nil, next)
		}
		read, err := p.fetch(ctx, next, fetchBytes, chunk{})
		if err != nil {
			c.failed(ctx, err, &wait)
			continue
		}
		wait = backoff{}
		if read.next > next {
			next = read.next
			c.take(p, read.messages, next)
		}
	}
	return nil
}

func (c *catalog) failed(ctx context.Context, err error, wait *backoff) {
	if ctx.Err() != nil {
		return
	}
	c.metrics.kafkaErrors.Inc()
	c.log.Warn("reading the catalog failed, trying again", "topic", c.topic, "error", err)
	wait.sleep(ctx)
}

// take applies the messages up to next and lets everybody see the result.
func (c *catalog) take(p partition, messages []message, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		// The lane that keeps the catalog in Redis names and counts what is invalid.
		if err := c.building.Set(string(m.key), m.value); err != nil {
			c.log.Debug("invalid catalog record ignored", "offset", m.offset, "error", err)
		}
	}
	if len(messages) > 0 {
		clone := c.building.Clone()
		c.snapshot.Store(clone)
		document := clone.Document()
		c.metrics.catalogOrgs.Set(float64(len(document.Orgs)))
		c.metrics.catalogGroups.Set(float64(len(document.TargetGroups)))
	}
	c.positions[p.id] = next
	close(c.moved)
	c.moved = make(chan struct{})
}

// catchUp waits until everything is read that the topic holds now, and gives the
// catalog as it is then.
func (c *catalog) catchUp(ctx context.Context) (*leaderboard.Catalog, error) {
	ids, err := listPartitions(ctx, c.client, c.topic)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		_, end, err := partition{c.client, c.topic, id}.bounds(ctx)
		if err != nil {
			return nil, err
		}
		if err := c.await(ctx, id, end); err != nil {
			return nil, err
		}
	}
	return c.current(), nil
}

func (c *catalog) await(ctx context.Context, id int, end int64) error {
	for {
		c.mu.Lock()
		position, known := c.positions[id]
		moved := c.moved
		c.mu.Unlock()
		if known && position >= end {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("topic %s/%d is read up to %d of %d: %w", c.topic, id, position, end, ctx.Err())
		}
	}
}

// load reads the topic to its present end for the first time, however long Kafka
// is away.
func (c *catalog) load(ctx context.Context, failed func(error)) {
	wait := backoff{}
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		_, err := c.catchUp(attempt)
		cancel()
		failed(err)
		if err == nil {
			return
		}
		wait.sleep(ctx)
	}
}

// ReadCompacted visits every record of a topic up to its present end, partition
// by partition in the order of the log; a nil value is a tombstone.
func ReadCompacted(ctx context.Context, c Cluster, topic string, each func(key string, value []byte) error) error {
	extents, err := Extents(ctx, c, topic)
	if err != nil {
		return err
	}
	for _, extent := range extents {
		err := ReadLog(ctx, c, topic, extent, func(r LogRecord) error { return each(string(r.Key), r.Value) })
		if err != nil {
			return err
		}
	}
	return nil
}
