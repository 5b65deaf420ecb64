package consumer

import (
	"context"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"
)

// Refused knows which records of the activities topic are dead letters. Such a
// record does not count, also when boards are made again under a catalog that has
// its target by then: its dead letter is replayed, and that record counts, or it is
// discarded, and nothing does.
type Refused struct {
	client *kafka.Client
	topics Topics

	mu sync.Mutex
	// next is, by partition of the dead letters, the offset to read on from.
	next map[int]int64
	// offsets are those of the refused records, by their partition.
	offsets map[int]map[int64]struct{}
}

// NewRefused makes one that has read nothing yet. Its connections close when they
// have been idle for a while.
func NewRefused(c Cluster, t Topics) *Refused {
	return &Refused{client: c.Client(t.DeadLetters), topics: t, next: map[int]int64{}, offsets: map[int]map[int64]struct{}{}}
}

// From reads the dead letters up to their present end and gives the offsets of the
// refused records of a partition from an offset on. One that is cut off has the
// next one go on where it stopped.
func (r *Refused) From(ctx context.Context, partition int, offset int64) (map[int64]struct{}, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("read the dead letters of topic %s: %w", r.topics.DeadLetters, err)
	}
	found := map[int64]struct{}{}
	for refused := range r.offsets[partition] {
		if refused >= offset {
			found[refused] = struct{}{}
		}
	}
	return found, nil
}

func (r *Refused) catchUp(ctx context.Context) error {
	extents, err := listExtents(ctx, r.client, r.topics.DeadLetters)
	if err != nil {
		return err
	}
	for _, extent := range extents {
		extent.First = max(extent.First, r.next[extent.Partition])
		err := partition{r.client, r.topics.DeadLetters, extent.Partition}.read(ctx, extent, func(letter LogRecord) error {
			r.take(letter)
			return nil
		})
		if err != nil {
			return err
		}
		r.next[extent.Partition] = max(extent.First, extent.End)
	}
	return nil
}

// take passes over what is no dead letter: a topic may hold anything.
func (r *Refused) take(letter LogRecord) {
	r.next[letter.Partition] = letter.Offset + 1
	place, err := PlaceOfDeadLetter(letter.Headers)
	if err != nil || place.Topic != r.topics.Activities {
		return
	}
	if r.offsets[place.Partition] == nil {
		r.offsets[place.Partition] = map[int64]struct{}{}
	}
	r.offsets[place.Partition][place.Offset] = struct{}{}
}
