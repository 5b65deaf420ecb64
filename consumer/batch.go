package consumer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"

	"leaderboard"
)

// batch is a record batch as it lies in the log, in the only format that Kafka
// has written since 0.11: https://kafka.apache.org/documentation/#recordbatch.
type batch struct {
	attributes attributes
	// first is the offset that those of the records count from, last that of the last
	// record that was written, whether compaction has left it or not.
	first, last int64
	// firstTime is what the records' times count from, appended when the broker
	// appended the batch, in ms.
	firstTime, appended int64
	producer            int64
	count               int
	// packed are the records, compressed or not.
	packed []byte
}

type attributes int16

func (a attributes) compression() compress.Compression { return compress.Compression(a & 7) }
func (a attributes) isAppendTime() bool                { return a&(1<<3) != 0 }
func (a attributes) isTransactional() bool             { return a&(1<<4) != 0 }
func (a attributes) isControl() bool                   { return a&(1<<5) != 0 }

// Where a batch has what, in bytes.
const (
	atLength     = 8
	atEpoch      = 12 // the length counts from here
	atMagic      = 16
	atSum        = 17
	atAttributes = 21 // the sum is over what comes from here
	atLastDelta  = 23
	atFirstTime  = 27
	atMaxTime    = 35
	atProducer   = 43
	atCount      = 57
	atRecords    = 61

	batchFormat = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errCutOff  = errors.New("a record batch is cut off")
	errCorrupt = errors.New("a record batch is corrupt")
)

// cutBatch cuts the first batch off what a broker sends, of which the last one may
// be cut off: errCutOff.
func cutBatch(sent []byte) (b batch, rest []byte, err error) {
	if len(sent) < atEpoch {
		return batch{}, nil, errCutOff
	}
	length := int64(binary.BigEndian.Uint32(sent[atLength:]))
	if int64(len(sent)-atEpoch) < length {
		return batch{}, nil, errCutOff
	}
	whole, rest := sent[:atEpoch+length], sent[atEpoch+length:]
	if len(whole) <= atMagic || whole[atMagic] != batchFormat {
		return batch{}, nil, fmt.Errorf("%w, or of a format from before Kafka 0.11", errCorrupt)
	}
	if len(whole) < atRecords || crc32.Checksum(whole[atAttributes:], castagnoli) != binary.BigEndian.Uint32(whole[atSum:]) {
		return batch{}, nil, fmt.Errorf("%w: its checksum is another", errCorrupt)
	}
	int64At := func(at int) int64 { return int64(binary.BigEndian.Uint64(whole[at:])) }
	int32At := func(at int) int64 { return int64(int32(binary.BigEndian.Uint32(whole[at:]))) }
	return batch{
		attributes: attributes(binary.BigEndian.Uint16(whole[atAttributes:])),
		first:      int64At(0), last: int64At(0) + int32At(atLastDelta),
		firstTime: int64At(atFirstTime), appended: int64At(atMaxTime),
		producer: int64At(atProducer), count: int(int32At(atCount)),
		packed: whole[atRecords:],
	}, rest, nil
}

// unpacking are the buffers that batches are decompressed into.
var unpacking = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// unpack gives the records as they were before the producer compressed them.
func (b *batch) unpack() ([]byte, error) {
	compression := b.attributes.compression()
	if compression == compress.None {
		return b.packed, nil
	}
	codec := compression.Codec()
	if codec == nil {
		return nil, fmt.Errorf("%w: it is compressed in a way that is not known", errCorrupt)
	}
	buffer := unpacking.Get().(*bytes.Buffer)
	defer unpacking.Put(buffer)
	buffer.Reset()
	r := codec.NewReader(bytes.NewReader(b.packed))
	_, err := buffer.ReadFrom(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return bytes.Clone(buffer.Bytes()), nil
}

// appendMessages appends the records from an offset on.
func (b *batch) appendMessages(messages []message, from int64) ([]message, error) {
	unpacked, err := b.unpack()
	if err != nil {
		return messages, err
	}
	records := recordReader{rest: unpacked}
	for range b.count {
		record := recordReader{rest: records.bytes()}
		record.take(1) // attributes, of which there are none
		m := message{published: leaderboard.Millis(b.firstTime + record.varint()), offset: b.first + record.varint()}
		if b.attributes.isAppendTime() {
			m.published = leaderboard.Millis(b.appended)
		}
		m.key, m.value = record.bytes(), record.bytes()
		for headers := record.varint(); headers > 0 && !record.failed; headers-- {
			m.headers = append(m.headers, kafka.Header{Key: string(record.bytes()), Value: record.bytes()})
		}
		if records.failed || record.failed {
			return messages, fmt.Errorf("%w: a record ends too early", errCorrupt)
		}
		if m.offset >= from {
			messages = append(messages, m)
		}
	}
	return messages, nil
}

// recordReader reads what a record consists of. After a failure it reads nothing.
type recordReader struct {
	rest   []byte
	failed bool
}

func (r *recordReader) varint() int64 {
	n, length := binary.Varint(r.rest)
	if length <= 0 {
		r.rest, r.failed = nil, true
		return 0
	}
	r.rest = r.rest[length:]
	return n
}

func (r *recordReader) take(n int64) []byte {
	if n > int64(len(r.rest)) {
		r.rest, r.failed = nil, true
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

// bytes reads a length and so many bytes; of a negative length is what is null.
func (r *recordReader) bytes() []byte {
	n := r.varint()
	if n < 0 {
		return nil
	}
	return r.take(n)
}
