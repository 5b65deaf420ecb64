package consumer

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// batchOf makes a batch of records at the offsets given.
func batchOf(producer int64, transactional bool, base int64, offsets ...int64) *protocol.RecordBatch {
	b := &protocol.RecordBatch{BaseOffset: base, ProducerID: producer, Records: recordsAt(offsets...)}
	if transactional {
		b.Attributes = protocol.Transactional
	}
	return b
}

func markerOf(producer, offset int64) *protocol.ControlBatch {
	return &protocol.ControlBatch{BaseOffset: offset, ProducerID: producer, Records: recordsAt(offset)}
}

func recordsAt(offsets ...int64) protocol.RecordReader {
	records := make([]protocol.Record, len(offsets))
	for i, o := range offsets {
		records[i] = protocol.Record{Offset: o, Key: kafka.NewBytes([]byte(fmt.Sprint(o))), Value: kafka.NewBytes([]byte("value"))}
	}
	return protocol.NewRecordReader(records...)
}

func TestReadRecords(t *testing.T) {
	aborted := func(producer, first int64) fetch.ResponseTransaction {
		return fetch.ResponseTransaction{ProducerID: producer, FirstOffset: first}
	}
	for name, test := range map[string]struct {
		from     int64
		batches  []protocol.RecordReader
		aborted  []fetch.ResponseTransaction
		offsets  []int64
		nextWant int64
	}{
		"nothing":                    {from: 7, nextWant: 7},
		"records before are skipped": {from: 2, batches: []protocol.RecordReader{batchOf(-1, false, 0, 0, 1, 2, 3)}, offsets: []int64{2, 3}, nextWant: 4},
		"gaps of compaction":         {from: 0, batches: []protocol.RecordReader{batchOf(-1, false, 0, 1, 5), batchOf(-1, false, 8, 9)}, offsets: []int64{1, 5, 9}, nextWant: 10},
		"compaction took the end":    {from: 3, batches: []protocol.RecordReader{batchOf(-1, false, 0, 0, 2)}, nextWant: 4},
		"committed transaction":      {from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0, 1), markerOf(5, 2)}, offsets: []int64{0, 1}, nextWant: 3},
		"aborted transaction": {
			from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0, 1), batchOf(-1, false, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{2}, nextWant: 4,
		},
		"aborted, then committed": {
			from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{2}, nextWant: 4,
		},
		"committed, then aborted": {
			from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 2)}, offsets: []int64{0}, nextWant: 4,
		},
		"two producers": {
			from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0), batchOf(6, true, 1, 1), markerOf(5, 2), markerOf(6, 3)},
			aborted: []fetch.ResponseTransaction{aborted(6, 1)}, offsets: []int64{0}, nextWant: 4,
		},
		"begins between an aborted transaction and its marker": {
			from: 2, batches: []protocol.RecordReader{markerOf(5, 2), batchOf(5, true, 3, 3), markerOf(5, 4)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{3}, nextWant: 5,
		},
		"aborted twice, listed out of order": {
			from: 0, batches: []protocol.RecordReader{batchOf(5, true, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 2), aborted(5, 0)}, nextWant: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			part := &fetch.ResponsePartition{AbortedTransactions: test.aborted}
			if test.batches != nil {
				part.RecordSet.Records = &protocol.RecordStream{Records: test.batches}
			}
			messages, next, err := readRecords(part, test.from, nil)
			if err != nil {
				t.Fatal(err)
			}
			var offsets []int64
			for _, m := range messages {
				offsets = append(offsets, m.offset)
				if string(m.key) != fmt.Sprint(m.offset) || string(m.value) != "value" {
					t.Errorf("record %d is %q: %q", m.offset, m.key, m.value)
				}
			}
			if !slices.Equal(offsets, test.offsets) || next != test.nextWant {
				t.Errorf("records %v, next %d; want %v, %d", offsets, next, test.offsets, test.nextWant)
			}
		})
	}
}

func TestReadRecordsTellsNullFromEmpty(t *testing.T) {
	records := protocol.NewRecordReader(
		protocol.Record{Offset: 0, Key: kafka.NewBytes([]byte("key"))},
		protocol.Record{Offset: 1, Value: kafka.NewBytes([]byte("value"))},
		protocol.Record{Offset: 2, Key: kafka.NewBytes([]byte{}), Value: kafka.NewBytes([]byte{})},
	)
	part := &fetch.ResponsePartition{}
	part.RecordSet.Records = &protocol.RecordStream{Records: []protocol.RecordReader{&protocol.RecordBatch{ProducerID: -1, Records: records}}}
	before := []message{{offset: 9, key: []byte("before"), value: []byte("before")}}
	messages, _, err := readRecords(part, 0, before[:0])
	if err != nil {
		t.Fatal(err)
	}
	want := []message{{offset: 0, key: []byte("key")}, {offset: 1, value: []byte("value")}, {offset: 2, key: []byte{}, value: []byte{}}}
	for i := range messages {
		want[i].published = messages[i].published
	}
	if !reflect.DeepEqual(messages, want) {
		t.Errorf("the records are %+v, want %+v", messages, want)
	}
}
