package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The batches are made by franz-go's encoder, which knows nothing of our reader.

// batchOf makes a batch that holds records at the offsets given, the last of which
// compaction may have left out.
func batchOf(producer int64, transactional bool, base, last int64, offsets ...int64) []byte {
	var attributes int16
	if transactional {
		attributes = 1 << 4
	}
	return wire(kmsg.RecordBatch{FirstOffset: base, LastOffsetDelta: int32(last - base), ProducerID: producer, Attributes: attributes}, recordsAt(base, offsets...)...)
}

func markerOf(producer, offset int64) []byte {
	return wire(kmsg.RecordBatch{FirstOffset: offset, ProducerID: producer, Attributes: 1<<4 | 1<<5}, recordsAt(offset, offset)...)
}

func recordsAt(base int64, offsets ...int64) []kmsg.Record {
	records := make([]kmsg.Record, len(offsets))
	for i, o := range offsets {
		records[i] = kmsg.Record{OffsetDelta: int32(o - base), Key: fmt.Append(nil, o), Value: []byte("value")}
	}
	return records
}

// wire is a batch as brokers send it, not compressed.
func wire(b kmsg.RecordBatch, records ...kmsg.Record) []byte {
	for _, r := range records {
		r.Length = int32(len(r.AppendTo(nil)) - 1) // with a length of 0, which takes a byte
		b.Records = r.AppendTo(b.Records)
	}
	b.NumRecords = int32(len(records))
	return sealed(b)
}

// sealed gives a batch its length and its sum.
func sealed(b kmsg.RecordBatch) []byte {
	b.Magic = 2
	sent := b.AppendTo(nil)
	b.Length = int32(len(sent) - 12)
	b.CRC = int32(crc32.Checksum(sent[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func TestReadRecords(t *testing.T) {
	aborted := func(producer, first int64) fetch.ResponseTransaction {
		return fetch.ResponseTransaction{ProducerID: producer, FirstOffset: first}
	}
	for name, test := range map[string]struct {
		from     int64
		batches  [][]byte
		aborted  []fetch.ResponseTransaction
		offsets  []int64
		nextWant int64
	}{
		"nothing":                    {from: 7, nextWant: 7},
		"records before are skipped": {from: 2, batches: [][]byte{batchOf(-1, false, 0, 3, 0, 1, 2, 3)}, offsets: []int64{2, 3}, nextWant: 4},
		"gaps of compaction":         {from: 0, batches: [][]byte{batchOf(-1, false, 0, 5, 1, 5), batchOf(-1, false, 8, 9, 9)}, offsets: []int64{1, 5, 9}, nextWant: 10},
		"compaction took the end":    {from: 3, batches: [][]byte{batchOf(-1, false, 0, 899, 0, 2), batchOf(-1, false, 900, 900, 900)}, offsets: []int64{900}, nextWant: 901},
		"compaction took all":        {from: 3, batches: [][]byte{batchOf(-1, false, 0, 899)}, nextWant: 900},
		"the last batch is cut off":  {from: 0, batches: [][]byte{batchOf(-1, false, 0, 1, 0, 1), batchOf(-1, false, 2, 2, 2)[:40]}, offsets: []int64{0, 1}, nextWant: 2},
		"committed transaction":      {from: 0, batches: [][]byte{batchOf(5, true, 0, 1, 0, 1), markerOf(5, 2)}, offsets: []int64{0, 1}, nextWant: 3},
		"aborted transaction": {
			from: 0, batches: [][]byte{batchOf(5, true, 0, 1, 0, 1), batchOf(-1, false, 2, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{2}, nextWant: 4,
		},
		"aborted, then committed": {
			from: 0, batches: [][]byte{batchOf(5, true, 0, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{2}, nextWant: 4,
		},
		"committed, then aborted": {
			from: 0, batches: [][]byte{batchOf(5, true, 0, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 2)}, offsets: []int64{0}, nextWant: 4,
		},
		"two producers": {
			from: 0, batches: [][]byte{batchOf(5, true, 0, 0, 0), batchOf(6, true, 1, 1, 1), markerOf(5, 2), markerOf(6, 3)},
			aborted: []fetch.ResponseTransaction{aborted(6, 1)}, offsets: []int64{0}, nextWant: 4,
		},
		"begins between an aborted transaction and its marker": {
			from: 2, batches: [][]byte{markerOf(5, 2), batchOf(5, true, 3, 3, 3), markerOf(5, 4)},
			aborted: []fetch.ResponseTransaction{aborted(5, 0)}, offsets: []int64{3}, nextWant: 5,
		},
		"aborted twice, listed out of order": {
			from: 0, batches: [][]byte{batchOf(5, true, 0, 0, 0), markerOf(5, 1), batchOf(5, true, 2, 2, 2), markerOf(5, 3)},
			aborted: []fetch.ResponseTransaction{aborted(5, 2), aborted(5, 0)}, nextWant: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			part := &partitionAnswer{AbortedTransactions: test.aborted, Batches: bytes.Join(test.batches, nil)}
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

func TestReadRecordsGivesWhatWasWritten(t *testing.T) {
	sent := wire(kmsg.RecordBatch{FirstOffset: 70, LastOffsetDelta: 3, FirstTimestamp: 1000, MaxTimestamp: 1300, ProducerID: -1},
		kmsg.Record{Key: []byte("key")},
		kmsg.Record{OffsetDelta: 1, TimestampDelta64: 300, Value: []byte("value"), Headers: []kmsg.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}},
		kmsg.Record{OffsetDelta: 2, TimestampDelta64: -5, Key: []byte{}, Value: []byte{}},
		kmsg.Record{OffsetDelta: 3, Value: bytes.Repeat([]byte("v"), 100_000)},
	)
	before := []message{{offset: 9, key: []byte("before"), value: []byte("before"), headers: []kafka.Header{{Key: "before"}}}}
	messages, next, err := readRecords(&partitionAnswer{Batches: sent}, 0, before[:0])
	if err != nil || next != 74 {
		t.Fatalf("next is %d: %v", next, err)
	}
	want := []message{
		{offset: 70, published: 1000, key: []byte("key")},
		{offset: 71, published: 1300, value: []byte("value"), headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "b"}}},
		{offset: 72, published: 995, key: []byte{}, value: []byte{}},
		{offset: 73, published: 1000, value: bytes.Repeat([]byte("v"), 100_000)},
	}
	if !reflect.DeepEqual(messages, want) {
		t.Errorf("the records are %+v, want %+v", messages, want)
	}
}

func TestReadRecordsTakesTheBrokersTime(t *testing.T) {
	const appendTime = 1 << 3
	sent := wire(kmsg.RecordBatch{FirstTimestamp: 1000, MaxTimestamp: 5000, Attributes: appendTime, LastOffsetDelta: 1}, recordsAt(0, 0, 1)...)
	messages, _, err := readRecords(&partitionAnswer{Batches: sent}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.published != 5000 {
			t.Errorf("record %d was published at %d, want 5000, when the broker appended it", m.offset, m.published)
		}
	}
}

func TestReadRecordsUnpacks(t *testing.T) {
	for _, compression := range []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		t.Run(compression.String(), func(t *testing.T) {
			var packed bytes.Buffer
			w := compression.Codec().NewWriter(&packed)
			var records []byte
			for _, r := range recordsAt(0, 0, 1, 2, 3) {
				r.Length = int32(len(r.AppendTo(nil)) - 1)
				records = r.AppendTo(records)
			}
			if _, err := w.Write(records); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			sent := sealed(kmsg.RecordBatch{Attributes: int16(compression), LastOffsetDelta: 3, NumRecords: 4, Records: packed.Bytes()})
			messages, next, err := readRecords(&partitionAnswer{Batches: sent}, 0, nil)
			if err != nil || next != 4 || len(messages) != 4 {
				t.Fatalf("%d messages, next %d: %v", len(messages), next, err)
			}
			for i, m := range messages {
				if m.offset != int64(i) || string(m.key) != fmt.Sprint(i) || string(m.value) != "value" {
					t.Errorf("message %d is %d, %q: %q", i, m.offset, m.key, m.value)
				}
			}
		})
	}
}

func TestReadRecordsRefuses(t *testing.T) {
	good := batchOf(-1, false, 0, 1, 0, 1)
	changed := func(at int, to byte) []byte {
		bad := bytes.Clone(good)
		bad[at] = to
		return bad
	}
	lacking := wire(kmsg.RecordBatch{}, recordsAt(0, 0)...)
	for name, test := range map[string]struct {
		sent []byte
		want error
	}{
		"a format of old":            {changed(16, 1), errCorrupt},
		"another value":              {changed(len(good)-2, 'x'), errCorrupt},
		"another time":               {changed(30, 1), errCorrupt},
		"nothing but a part":         {good[:len(good)-1], errCutOff},
		"less than a length":         {good[:5], errCutOff},
		"a length of nothing":        {make([]byte, 20), errCorrupt},
		"fewer records":              {sealed(kmsg.RecordBatch{NumRecords: 2, Records: lacking[61:]}), errCorrupt},
		"an unknown packing":         {sealed(kmsg.RecordBatch{Attributes: 7, NumRecords: 1, Records: lacking[61:]}), errCorrupt},
		"a packing it does not have": {sealed(kmsg.RecordBatch{Attributes: 1, NumRecords: 1, Records: lacking[61:]}), errCorrupt},
		"a long key":                 {sealed(kmsg.RecordBatch{NumRecords: 1, Records: []byte{20, 0, 0, 0, 40, 'k'}}), errCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			messages, next, err := readRecords(&partitionAnswer{Batches: test.sent}, 0, nil)
			if !errors.Is(err, test.want) || len(messages) > 0 || next != 0 {
				t.Errorf("%d messages, next %d: %v, want %v", len(messages), next, err, test.want)
			}
		})
	}
}

// FuzzAppendMessages takes apart what a sum would not save us from.
func FuzzAppendMessages(f *testing.F) {
	f.Add(wire(kmsg.RecordBatch{}, recordsAt(0, 0, 1)...)[61:], 2)
	f.Add([]byte{20, 0, 0, 0, 40, 'k'}, 1)
	f.Fuzz(func(t *testing.T, packed []byte, count int) {
		b := batch{count: count % 1000, packed: packed}
		messages, err := b.appendMessages(nil, 0)
		size := 0
		for _, m := range messages {
			size += len(m.key) + len(m.value)
		}
		if err != nil && !errors.Is(err, errCorrupt) || size > len(packed) {
			t.Errorf("%d bytes in %d records: %v", size, len(messages), err)
		}
	})
}
