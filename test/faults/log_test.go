package faults

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard/test/oracle"
)

// place is a record's in the activities topic.
type place struct {
	partition int32
	offset    int64
}

// logged is a record in the log. A producer whose broker goes away may publish a
// record twice, so the log says what the boards are to be; the publisher, what
// has to be in the log at least once.
type logged struct {
	place
	number int
}

// numberHeader tells which of the published records a message is.
const numberHeader = "number"

// unnumbered is a record that must not be seen in the log.
const unnumbered = -1

// message is a record as Kafka gets it.
func (p *publisher) message(partition int32, r record, number int) *kgo.Record {
	return &kgo.Record{
		Topic: p.topic, Partition: partition, Timestamp: time.UnixMilli(r.activity.Published),
		Key: []byte(r.key), Value: []byte(r.value),
		Headers: []kgo.RecordHeader{{Key: numberHeader, Value: binary.AppendVarint(nil, int64(number))}},
	}
}

// readLog reads what the log has got since the last time, up to where it ends.
func (w *world) readLog(ends map[int]int64) {
	w.t.Helper()
	from, left := map[int32]kgo.Offset{}, 0
	for partition, end := range ends {
		if next := w.read[int32(partition)]; next < end {
			from[int32(partition)] = kgo.NewOffset().At(next)
			left++
		}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(w.brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{w.activities(): from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // a partition may end with one
	)
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			w.t.Fatalf("read the log: %v", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				number, _ := binary.Varint(r.Headers[0].Value)
				w.log = append(w.log, logged{place{r.Partition, r.Offset}, int(number)})
			}
			if w.read[r.Partition] = r.Offset + 1; r.Offset+1 == ends[int(r.Partition)] {
				left--
			}
		})
	}
}

// checkLog requires that all that was published is in the log.
func (w *world) checkLog() {
	w.t.Helper()
	missing := map[int]bool{}
	for number := range w.stream.published {
		missing[number] = true
	}
	for _, r := range w.log {
		if r.number == unnumbered {
			w.t.Fatalf("the record %+v of an aborted transaction was read", r.place)
		}
		delete(missing, r.number)
	}
	if len(missing) > 0 {
		w.t.Fatalf("%d records that Kafka acknowledged are not in the log", len(missing))
	}
}

// expected folds the log, save what it lost before it was read, and tells the
// places of the poison. Partitions are folded in any order: no user whose order
// matters is in two of them.
func (w *world) expected() (want *oracle.Oracle, poison map[place]bool) {
	want, poison = newOracle(), map[place]bool{}
	events := map[int]bool{}
	for _, l := range w.log {
		r := w.stream.published[l.number]
		switch {
		case w.lost != nil && w.lost(l.place):
		case r.poison:
			poison[l.place] = true
		case r.hasEventID && events[l.number]: // published twice, counts once
		default:
			events[l.number] = true
			want.Fold(r.activity)
		}
	}
	return want, poison
}
