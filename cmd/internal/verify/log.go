package verify

import (
	"context"
	"fmt"
	"iter"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"leaderboard"
	"leaderboard/consumer"
)

// activityLog is the topic of activities, to be folded.
type activityLog struct {
	cluster  consumer.Cluster
	topics   consumer.Topics
	refused  *consumer.Refused
	layout   leaderboard.Layout
	window   leaderboard.Millis
	wanted   func(leaderboard.Board) bool
	progress func(stage string, steps int64) Bar
}

// placed is a record that counts, with where it comes from and goes to.
type placed struct {
	leaderboard.Record
	partition, shard int
	repeat           repeat
}

// advance folds the log for the shards, from where each is up to its end. The
// catalog, which it gives back, is read first: it has everything that was known
// when the records up to there were applied.
func (l *activityLog) advance(ctx context.Context, shards map[int]*shardFold) (*leaderboard.Catalog, error) {
	catalog, err := l.readCatalog(ctx)
	if err != nil {
		return nil, err
	}
	extents := l.extents(shards)
	if len(extents) == 0 {
		return catalog, nil
	}
	steps := int64(0)
	for _, e := range extents {
		steps += e.End - e.First
	}
	// Before a shard moved past a record its dead letter was there.
	if err := l.refused.CatchUp(ctx, 0); err != nil {
		return nil, err
	}
	bar := l.progress("records", steps)
	group, groupCtx := errgroup.WithContext(ctx)
	streams := make([]<-chan []placed, 0, len(extents))
	for _, extent := range extents {
		chunks := make(chan []placed, 2)
		streams = append(streams, chunks)
		group.Go(func() error {
			defer close(chunks)
			return l.read(groupCtx, extent, catalog, shards, chunks, bar)
		})
	}
	for p := range merged(streams) {
		shards[p.shard].take(p)
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read topic %s: %w", l.topics.Activities, err)
	}
	for _, s := range shards {
		s.next = s.end
	}
	return catalog, bar.Finish()
}

func (l *activityLog) readCatalog(ctx context.Context) (*leaderboard.Catalog, error) {
	catalog := leaderboard.NewCatalog()
	err := consumer.ReadCompacted(ctx, l.cluster, l.topics.Catalog, func(key string, value []byte) error {
		_ = catalog.Set(key, value) // an invalid record is ignored on the live path too
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog topic %s: %w", l.topics.Catalog, err)
	}
	if len(catalog.Document().TargetGroups) == 0 {
		return nil, errNoCatalog
	}
	return catalog, nil
}

// extents are what has to be read of the partitions, once for all shards.
func (l *activityLog) extents(shards map[int]*shardFold) []leaderboard.Extent {
	whole := map[int]leaderboard.Extent{}
	for _, s := range shards {
		for partition, end := range s.end {
			next := s.next[partition]
			if s.seen[partition] == nil {
				s.seen[partition] = newSightings(l.window)
			}
			if next >= end {
				continue
			}
			e, known := whole[partition]
			if !known {
				e = leaderboard.Extent{Partition: partition, First: next, End: end}
			}
			whole[partition] = leaderboard.Extent{Partition: partition, First: min(e.First, next), End: max(e.End, end)}
		}
	}
	var extents []leaderboard.Extent
	for _, e := range whole {
		extents = append(extents, e)
	}
	return extents
}

const (
	chunkRecords = 500
	// barSteps is how many records go by before the bar moves.
	barSteps = 1000
)

// read sends on those records of a partition that count on a board of the shards.
func (l *activityLog) read(ctx context.Context, extent leaderboard.Extent, catalog *leaderboard.Catalog, shards map[int]*shardFold, chunks chan<- []placed, bar Bar) error {
	var chunk []placed
	send := func() error {
		select {
		case chunks <- chunk:
			chunk = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	unseen := 0
	err := consumer.ReadLog(ctx, l.cluster, l.topics.Activities, extent, func(r consumer.LogRecord) error {
		unseen++
		if unseen == barSteps {
			unseen = 0
			_ = bar.Add(barSteps)
		}
		chunk = l.place(chunk, r, catalog, shards)
		if len(chunk) < chunkRecords {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

// place appends a record with where it goes: to one shard, to none, or to all when
// it is an erasure.
func (l *activityLog) place(chunk []placed, r consumer.LogRecord, catalog *leaderboard.Catalog, shards map[int]*shardFold) []placed {
	if l.refused.Contains(r.Partition, r.Offset) {
		return chunk
	}
	activity, err := consumer.DecodeActivity(r.Value, r.Published)
	if err != nil {
		return chunk
	}
	if activity.EventID == "" {
		activity.EventID = origin(r.Headers)
	}
	record, passed, rejection := consumer.Resolve(catalog, activity)
	if passed != consumer.NotPassed || rejection != nil {
		return chunk
	}
	record.Offset, record.Published = r.Offset, r.Published
	if record.Type == leaderboard.TypeErase {
		for shard, s := range shards {
			if s.lacks(r.Partition, r.Offset) {
				chunk = append(chunk, placed{Record: record, partition: r.Partition, shard: shard})
			}
		}
		return chunk
	}
	p := placed{Record: record, partition: r.Partition, shard: l.layout.Shard(record.Board)}
	s := shards[p.shard]
	if s == nil || !s.lacks(r.Partition, r.Offset) {
		return chunk
	}
	// The events of boards that nobody asked for are looked at too: a shard has one
	// memory for all.
	if p.repeat = s.seen[r.Partition].look(&p.Record); p.repeat == sameEvent || !l.wanted(p.Board) {
		return chunk
	}
	return append(chunk, p)
}

// origin is what stands for the event id of a record that was dead-lettered and
// published again.
func origin(headers []kafka.Header) string {
	for _, h := range headers {
		if h.Key == consumer.HeaderOrigin {
			return string(h.Value)
		}
	}
	return ""
}

// merged visits the records of all partitions, each in its own order; among those
// at hand the earliest published comes first. So a user whose records went to
// another partition when the topic grew has them in the order of their making.
func merged(streams []<-chan []placed) iter.Seq[placed] {
	return func(yield func(placed) bool) {
		heads := make([][]placed, len(streams))
		for {
			earliest := -1
			for i, stream := range streams {
				for open := true; len(heads[i]) == 0 && open; {
					heads[i], open = <-stream
				}
				if len(heads[i]) > 0 && (earliest < 0 || heads[i][0].Published < heads[earliest][0].Published) {
					earliest = i
				}
			}
			if earliest < 0 || !yield(heads[earliest][0]) {
				return
			}
			heads[earliest] = heads[earliest][1:]
		}
	}
}
