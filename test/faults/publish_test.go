package faults

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard/test/oracle"
)

// publisher takes a stream to the activities topic, and remembers where it went.
type publisher struct {
	t       *testing.T
	client  *kgo.Client
	topic   string
	records []record
	// next is the first record that was not handed over yet.
	next atomic.Int64
	// spread is over how many partitions the scattered records go.
	spread atomic.Uint32

	mu        sync.Mutex
	published []*published
}

// published is a record with its place in the log.
type published struct {
	record
	partition int32
	offset    int64
}

// newPublisher makes a publisher that does not give up, and whose records are in
// the log once however often it has to send them.
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
	entry := &published{record: r, partition: partition}
	p.remember(entry)
	p.client.Produce(context.Background(), p.message(entry), func(m *kgo.Record, err error) {
		if err != nil {
			p.t.Errorf("publish to partition %d: %v", partition, err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		entry.offset = m.Offset
	})
}

// message is the record as Kafka gets it.
func (p *publisher) message(entry *published) *kgo.Record {
	return &kgo.Record{
		Topic: p.topic, Partition: entry.partition, Timestamp: time.UnixMilli(entry.activity.Published),
		Key: []byte(entry.key), Value: []byte(entry.value),
	}
}

// remember takes note of what is on its way to the log.
func (p *publisher) remember(entry *published) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = append(p.published, entry)
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

// expected folds what was published, save what the log has lost, and tells the
// places of the poison.
func (p *publisher) expected(lost func(*published) bool) (want *oracle.Oracle, poison map[place]bool) {
	want, poison = newOracle(), map[place]bool{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.published {
		switch {
		case lost != nil && lost(r):
		case r.poison:
			poison[place{r.partition, r.offset}] = true
		default:
			want.Fold(r.activity)
		}
	}
	return want, poison
}

// place is a record's in the activities topic.
type place struct {
	partition int32
	offset    int64
}
