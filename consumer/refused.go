package consumer

import (
	"context"
	"sync"
	"time"
)

// Refused knows which records of the activities topic are dead letters. Such a
// record does not count, also when boards are made again under a catalog that has
// its target by then: its dead letter is replayed, and that record counts, or it is
// discarded, and nothing does.
type Refused struct {
	topic string

	// reading is held while the dead letters are read, up to their end as of looked.
	reading sync.Mutex
	letters *Tail
	looked  time.Time

	mu sync.RWMutex
	// offsets are those of the refused records, by their partition.
	offsets map[int]map[int64]struct{}
}

// NewRefused makes one that has read nothing yet.
func NewRefused(c Cluster, t Topics) *Refused {
	return &Refused{topic: t.Activities, letters: NewTail(c, t.DeadLetters), offsets: map[int]map[int64]struct{}{}}
}

// CatchUp reads the dead letters up to their present end, unless that was done so
// short a time ago, or is being done when some time may have gone by.
func (r *Refused) CatchUp(ctx context.Context, ago time.Duration) error {
	if ago == 0 {
		r.reading.Lock()
	} else if !r.reading.TryLock() {
		return nil
	}
	defer r.reading.Unlock()
	now := time.Now()
	if now.Sub(r.looked) < ago {
		return nil
	}
	err := r.letters.CatchUp(ctx, func(letter LogRecord) {
		// A topic may hold anything: what is no dead letter is passed over.
		if place, err := PlaceOfDeadLetter(letter.Headers); err == nil && place.Topic == r.topic {
			r.add(place.Partition, place.Offset)
		}
	})
	if err == nil {
		r.looked = now
	}
	return err
}

// Contains tells whether a record is refused, as far as the dead letters were read.
func (r *Refused) Contains(partition int, offset int64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, refused := r.offsets[partition][offset]
	return refused
}

func (r *Refused) add(partition int, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offsets[partition] == nil {
		r.offsets[partition] = map[int64]struct{}{}
	}
	r.offsets[partition][offset] = struct{}{}
}
