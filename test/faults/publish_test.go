package faults

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// publisher takes a stream to the activities topic, and remembers what.
type publisher struct {
	t       *testing.T
	client  *kgo.Client
	topic   string
	records []record
	// next is the first record that was not handed over yet.
	next atomic.Int64
	// spread is over how many partitions the scattered records go.
	spread atomic.Uint32

	mu sync.Mutex
	// published are the records that have to come to stand in the log, by number.
	published []record
}

// newPublisher makes a publisher that does not give up.
func newPublisher(t *testing.T, brokers []string, topic string, records []record) *publisher {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.UnknownTopicRetries(-1),
		kgo.MaxBufferedRecords(len(records)+20_000),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	p := &publisher{t: t, client: client, topic: topic, records: records}
	p.spread.Store(partitions)
	return p
}

// publish hands over the next n records.
func (p *publisher) publish(n int) {
	first := int(p.next.Load())
	for i := range min(n, len(p.records)-first) {
		r := p.records[first+i]
		partition := r.place % p.spread.Load()
		if r.activity.Board.Group == keyedGroup {
			partition = r.place % partitions
		}
		p.publishTo(int32(partition), r)
		p.next.Add(1)
	}
}

// publishTo hands over a record that need not be one of the stream.
func (p *publisher) publishTo(partition int32, r record) {
	p.client.Produce(context.Background(), p.message(partition, r, p.remember(r)), func(_ *kgo.Record, err error) {
		if err != nil {
			p.t.Errorf("publish to partition %d: %v", partition, err)
		}
	})
}

// remember takes note of a record that is on its way to the log.
func (p *publisher) remember(r record) (number int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = append(p.published, r)
	return len(p.published) - 1
}

// flush waits until all that was handed over is in the log.
func (p *publisher) flush() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil {
		p.t.Fatalf("publish: %v", err)
	}
}

// flow publishes until the function returned is called. It never comes to the end
// of the stream: at each turn it takes the same share of what is left.
func (p *publisher) flow() (stop func()) {
	const (
		turn  = 20 * time.Millisecond
		share = 500
	)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(turn)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				p.publish(1 + p.left()/share)
			}
		}
	})
	stop = func() { cancel(); done.Wait() }
	p.t.Cleanup(stop)
	return stop
}

func (p *publisher) left() int { return len(p.records) - int(p.next.Load()) }
