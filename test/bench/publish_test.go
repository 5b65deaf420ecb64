package bench

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// newProducer makes a producer that waits for all replicas, and not for more
// records to come.
func newProducer(b *testing.B, brokers []string) *kgo.Client {
	b.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<22),
	)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

// marks are where the fences of the shards have to be, by partition, once a stream
// has been applied.
type marks map[int]map[int]int64

// over are the marks with those of shards and partitions that only earlier ones have.
func (m marks) over(earlier marks) marks {
	for shard, partitions := range earlier {
		if m[shard] == nil {
			m[shard] = partitions
			continue
		}
		for partition, mark := range partitions {
			m[shard][partition] = max(m[shard][partition], mark)
		}
	}
	return m
}

// tail is the last record of a stream for each shard and partition. A record knows its
// offset once it is in the log.
type tail map[int]map[int]*kgo.Record

func (t tail) marks() marks {
	m := marks{}
	for shard, records := range t {
		m[shard] = map[int]int64{}
		for partition, r := range records {
			m[shard][partition] = r.Offset + 1
		}
	}
	return m
}

// publish appends a stream to the arena's activities.
func (a *arena) publish(s *stream) marks {
	a.b.Helper()
	t := tail{}
	a.publishOn(t, s)
	return t.marks()
}

// publishOn appends one more stream.
func (a *arena) publishOn(t tail, s *stream) {
	a.b.Helper()
	a.produce(a.activities(), s, t)
	if err := a.producer.Flush(context.Background()); err != nil {
		a.b.Fatalf("publish: %v", err)
	}
}

// produce hands a stream over to the producer.
func (a *arena) produce(topic string, s *stream, t tail) {
	fail := func(_ *kgo.Record, err error) {
		if err != nil {
			a.b.Errorf("publish: %v", err)
		}
	}
	records := make([]kgo.Record, len(s.events))
	for i := range s.events {
		e := &s.events[i]
		records[i] = newRecord(topic, s.set, e)
		a.producer.Produce(context.Background(), &records[i], fail)
		shard := a.layout.Shard(s.set.boards[e.board])
		if t[shard] == nil {
			t[shard] = map[int]*kgo.Record{}
		}
		t[shard][e.partition] = &records[i]
	}
	if topic == a.activities() {
		a.handed += len(records)
	}
}

func newRecord(topic string, set *boardSet, e *event) kgo.Record {
	return kgo.Record{
		Topic: topic, Partition: int32(e.partition),
		Key: appendKey(nil, e.user), Value: e.appendJSON(make([]byte, 0, 256), set.boards[e.board]),
	}
}

const (
	// flowTick is how often a flow publishes: as Kafka's own producer, which waits so
	// long for more records (linger.ms).
	flowTick = 5 * time.Millisecond
	// flowStep is how many events it makes in advance.
	flowStep = 10_000
)

// flow publishes activities of the board of a million users at a rate until ctx
// ends. Then it tells where the fences have to be if the topic is the arena's own.
func (a *arena) flow(ctx context.Context, topic string, perSecond float64) <-chan marks {
	done := make(chan marks, 1)
	go func() {
		t := tail{}
		a.publishAt(ctx, topic, perSecond, t)
		if err := a.producer.Flush(context.Background()); err != nil {
			a.b.Errorf("publish: %v", err)
		}
		if topic != a.activities() {
			t = nil
		}
		done <- t.marks()
	}()
	return done
}

func (a *arena) publishAt(ctx context.Context, topic string, perSecond float64, t tail) {
	ticker := time.NewTicker(flowTick)
	defer ticker.Stop()
	start, sent := time.Now(), 0
	by := uniform(million)
	s := stream{set: million}
	for ctx.Err() == nil {
		<-ticker.C
		for due := int(time.Since(start).Seconds()*perSecond) - sent; due > 0; {
			if len(s.events) == 0 {
				s = *a.streams.next(million, by, flowStep)
			}
			n := min(due, len(s.events))
			a.produce(topic, &stream{s.set, s.events[:n]}, t)
			s.events = s.events[n:]
			sent += n
			due -= n
		}
	}
}
