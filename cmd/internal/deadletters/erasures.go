package deadletters

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"leaderboard"
	"leaderboard/consumer"
)

// erasures knows which users were erased, and when. Both the tombstone that asks for
// an erasure and the mark that it is in the log say so: the first may be compacted
// away, and the second is written a moment after the erasure.
type erasures struct {
	cluster         consumer.Cluster
	profiles, marks *consumer.Tail
	// last is, by orgId:userId, when the user was erased last.
	last map[string]leaderboard.Millis
	// published is, by their places, when records were published.
	published map[string]leaderboard.Millis
}

func newErasures(b *Box) *erasures {
	return &erasures{
		cluster:   b.Cluster,
		profiles:  consumer.NewTail(b.Cluster, b.ProfilesTopic),
		marks:     consumer.NewTail(b.Cluster, b.ErasuresTopic),
		last:      map[string]leaderboard.Millis{},
		published: map[string]leaderboard.Millis{},
	}
}

// catchUp takes notice of the erasures up to now.
func (e *erasures) catchUp(ctx context.Context) error {
	note := func(r consumer.LogRecord) { e.last[string(r.Key)] = max(e.last[string(r.Key)], r.Published) }
	err := e.profiles.CatchUp(ctx, func(r consumer.LogRecord) {
		if r.Value == nil {
			note(r)
		}
	})
	if err != nil {
		return err
	}
	return e.marks.CatchUp(ctx, note)
}

// concern tells whether the letter's user was erased after the record was published
// first. When that was cannot be told once the log does not go back so far: then any
// erasure counts.
func (e *erasures) concern(ctx context.Context, l *Letter) (bool, error) {
	erased, known := e.last[l.user()]
	switch {
	case !known:
		return false, nil
	case !l.Time.After(erased.Time()):
		return true, nil // it was refused before, and so published before
	}
	published, known := e.published[l.Origin]
	if !known {
		var err error
		if published, err = e.firstPublished(ctx, l); err != nil {
			return false, err
		}
		e.published[l.Origin] = published
	}
	return published <= erased, nil
}

// firstPublished is when the letter's record was published first, as far back as can
// be when nobody knows.
func (e *erasures) firstPublished(ctx context.Context, l *Letter) (leaderboard.Millis, error) {
	at := leaderboard.Millis(math.MinInt64)
	origin, ok := parsePlace(l.Origin)
	if !ok || origin.Topic != l.Record.Topic {
		return at, nil
	}
	extents, err := consumer.Extents(ctx, e.cluster, origin.Topic)
	if err != nil {
		return at, fmt.Errorf("read topic %s: %w", origin.Topic, err)
	}
	for _, log := range extents {
		if log.Partition != origin.Partition || origin.Offset < log.First || origin.Offset >= log.End {
			continue
		}
		place := leaderboard.Extent{Partition: origin.Partition, First: origin.Offset, End: origin.Offset + 1}
		err := consumer.ReadLog(ctx, e.cluster, origin.Topic, place, func(r consumer.LogRecord) error {
			at = r.Published
			return nil
		})
		if err != nil {
			return at, fmt.Errorf("read %s: %w", l.Origin, err)
		}
	}
	return at, nil
}

// parsePlace reads what [consumer.Place.String] writes.
func parsePlace(text string) (consumer.Place, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return consumer.Place{}, false
	}
	partition, partitionErr := strconv.Atoi(parts[1])
	offset, offsetErr := strconv.ParseInt(parts[2], 10, 64)
	return consumer.Place{Topic: parts[0], Partition: partition, Offset: offset}, partitionErr == nil && offsetErr == nil
}
