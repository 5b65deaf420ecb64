package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

// handler is what a lane does with the records of its topic, decoded to R.
type handler[R any] interface {
	// resume tells from Redis where the partition, of which the log holds an
	// extent, goes on.
	resume(ctx context.Context, log leaderboard.Extent) (next int64, err error)
	// decode runs beside handle and sees every message once. It may keep the
	// message's slices.
	decode(m message) R
	// handle brings the records of [from, to) to where they belong. It may be
	// called again with the same range after an error. An error that wraps
	// leaderboard.ErrTailLost sends the lane back to resume. One that wraps
	// leaderboard.ErrCannotGoOn ends the consumer, from whichever method it comes.
	handle(ctx context.Context, from, to int64, records []R) error
	// sync takes note that everything below to was handled, and tells from
	// Redis where the partition would go on: the offset to commit.
	sync(ctx context.Context, to int64) (next int64, err error)
}

// lane takes one partition from the log to its handler. One goroutine fetches and
// decodes, one handles: while it does, the next batch gathers.
type lane[R any] struct {
	partition partition
	handler   handler[R]
	commit    func(offset int64) error
	config    laneConfig
	log       *slog.Logger
	metrics   *metrics
	registry  *health
	health    *laneHealth
}

type laneConfig struct {
	// fetchBytes bounds the answer to a fetch.
	fetchBytes      int
	maxBatchRecords int
	syncInterval    time.Duration
}

const (
	attemptTimeout = 20 * time.Second
	minBackoff     = 100 * time.Millisecond
	maxBackoff     = 5 * time.Second
	// gatherTime is from an answer that has brought all there is to the next fetch: a
	// fetch costs the broker the same, however little it brings. It is what Kafka's
	// own producer waits for more records, see its linger.ms.
	gatherTime = 5 * time.Millisecond
)

// run serves the partition until ctx ends. It returns an error only when going on
// would be wrong.
func (l *lane[R]) run(ctx context.Context) error {
	health, ended := l.registry.lane(l.partition)
	defer ended()
	defer l.metrics.drop(l.partition)
	l.health = health
	wait := backoff{}
	for ctx.Err() == nil {
		l.health.turn()
		err := l.pass(ctx, &wait)
		switch {
		case err == nil || ctx.Err() != nil:
		case !temporary(err):
			return err
		case errors.Is(err, leaderboard.ErrTailLost):
			l.metrics.rewinds.WithLabelValues(l.partition.topic).Inc()
			l.log.Warn("redis has lost the end of what it held, reading the partition again")
		default:
			l.health.handling.set(err)
			l.log.Warn("partition interrupted, trying again", "error", err)
			wait.sleep(ctx)
		}
	}
	return nil
}

// decoded is a part of a chunk, with its records decoded, beginning at from.
type decoded[R any] struct {
	from, next    int64
	highWatermark int64
	records       []R
}

// pass asks Redis where to go on, and goes on from there until something fails.
func (l *lane[R]) pass(ctx context.Context, wait *backoff) error {
	next, err := l.start(ctx)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	chunks := make(chan decoded[R], 1)
	group.Go(func() error {
		defer close(chunks)
		return l.fetch(groupCtx, next, chunks)
	})
	group.Go(func() error { return l.handle(groupCtx, next, chunks, wait) })
	return group.Wait()
}

// start finds the offset to go on from and holds it against the log.
func (l *lane[R]) start(ctx context.Context) (int64, error) {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	first, end, err := l.partition.bounds(attempt)
	if err != nil {
		return 0, err
	}
	next, err := l.handler.resume(attempt, leaderboard.Extent{Partition: l.partition.id, First: first, End: end})
	if err != nil {
		return 0, err
	}
	if next > end {
		return 0, fmt.Errorf(
			"%w: %s/%d ends at offset %d, but Redis has applied it up to %d: the topic was made anew. Build the boards into a new generation, or empty this Redis",
			leaderboard.ErrCannotGoOn, l.partition.topic, l.partition.id, end, next)
	}
	if next < first {
		l.metrics.holes.WithLabelValues(l.partition.topic).Inc()
		l.metrics.holeRecords.WithLabelValues(l.partition.topic).Add(float64(first - next))
		l.log.Error("the log begins after the offset to go on from, records were deleted before they were read",
			"from", next, "first", first)
		next = first
	}
	if err := l.commit(next); err != nil {
		l.log.Debug("commit failed", "error", err)
	}
	l.health.handling.set(nil)
	l.log.Info("partition resumed", "offset", next, "end", end)
	return next, nil
}

func (l *lane[R]) fetch(ctx context.Context, next int64, chunks chan<- decoded[R]) error {
	wait := backoff{}
	var c chunk
	for ctx.Err() == nil {
		var err error
		c, err = l.partition.fetch(ctx, next, l.config.fetchBytes, c)
		if ctx.Err() != nil {
			return nil // asked to end, the fetch was cut off
		}
		if err != nil {
			l.metrics.kafkaErrors.Inc()
			if errors.Is(err, kafka.OffsetOutOfRange) {
				return err // start will say what that means
			}
			l.health.fetching.set(err)
			l.log.Warn("fetch failed, trying again", "error", err)
			wait.sleep(ctx)
			continue
		}
		answered := time.Now()
		wait = backoff{}
		l.health.fetching.set(nil)
		for d := range l.decode(next, c) {
			next = d.next
			select {
			case chunks <- d:
			case <-ctx.Done():
				return nil
			}
		}
		if len(c.messages) > 0 && c.next >= c.highWatermark {
			sleep(ctx, time.Until(answered.Add(gatherTime)))
		}
	}
	return nil
}

// decodedRecords bounds how many records are decoded together: an answer that was
// compressed well holds a great many, which take more room decoded than packed.
const decodedRecords = 8000

// decode gives a chunk that begins at an offset part by part.
func (l *lane[R]) decode(from int64, c chunk) iter.Seq[decoded[R]] {
	return func(yield func(decoded[R]) bool) {
		for more := true; more; {
			some := c.messages[:min(len(c.messages), decodedRecords)]
			c.messages = c.messages[len(some):]
			d := decoded[R]{from: from, next: c.next, highWatermark: c.highWatermark, records: make([]R, len(some))}
			if more = len(c.messages) > 0; more {
				d.next = c.messages[0].offset
			}
			for i, m := range some {
				d.records[i] = l.handler.decode(m)
			}
			from = d.next
			if !yield(d) {
				return
			}
		}
	}
}

// handle takes the chunks in order, as many at once as have gathered. What it has
// begun it brings to its end, also when ctx ends meanwhile.
func (l *lane[R]) handle(ctx context.Context, position int64, chunks <-chan decoded[R], wait *backoff) error {
	ticker := time.NewTicker(l.config.syncInterval)
	defer ticker.Stop()
	committed := position
	for {
		l.health.turn()
		select {
		case c, open := <-chunks:
			if !open || ctx.Err() != nil {
				return l.sync(context.WithoutCancel(ctx), position, &committed)
			}
			c = gather(c, chunks, l.config.maxBatchRecords)
			l.metrics.setLag(l.partition, c.highWatermark-position)
			if c.next > c.from {
				if err := l.attempt(ctx, c, wait); err != nil {
					return err
				}
				position = c.next
				l.metrics.setLag(l.partition, c.highWatermark-position)
			}
		case <-ticker.C:
			if err := l.sync(ctx, position, &committed); err != nil {
				return err
			}
		}
	}
}

func gather[R any](c decoded[R], chunks <-chan decoded[R], limit int) decoded[R] {
	for len(c.records) < limit {
		select {
		case more, open := <-chunks:
			if !open {
				return c
			}
			c.records = append(c.records, more.records...)
			c.next, c.highWatermark = more.next, more.highWatermark
		default:
			return c
		}
	}
	return c
}

// attempt handles a chunk, again and again until it succeeds or cannot.
func (l *lane[R]) attempt(ctx context.Context, c decoded[R], wait *backoff) error {
	for {
		l.health.turn()
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
		err := l.handler.handle(attempt, c.from, c.next, c.records)
		cancel()
		if err == nil {
			*wait = backoff{}
			l.health.handling.set(nil)
			return nil
		}
		if errors.Is(err, leaderboard.ErrTailLost) || !temporary(err) || ctx.Err() != nil {
			return err
		}
		l.health.handling.set(err)
		l.log.Warn("batch failed, trying again", "from", c.from, "to", c.next, "error", err)
		wait.sleep(ctx)
	}
}

// sync moves what is idle to position and commits the offset, a hint for the lag
// tools: that it fails is no reason to stop.
func (l *lane[R]) sync(ctx context.Context, position int64, committed *int64) error {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout/4)
	defer cancel()
	next, err := l.handler.sync(attempt, position)
	if err != nil {
		return err
	}
	if next == *committed {
		return nil
	}
	if err := l.commit(next); err != nil {
		l.log.Debug("commit failed", "error", err)
		return nil
	}
	*committed = next
	return nil
}

// backoff waits longer each time, from minBackoff to maxBackoff.
type backoff struct{ next time.Duration }

func (b *backoff) sleep(ctx context.Context) {
	b.next = min(max(minBackoff, b.next*2), maxBackoff)
	sleep(ctx, b.next)
}

// sleep ends early when ctx does.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
