package consumer

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// LogRecord is one committed record of a topic, for those who read it outside a group.
type LogRecord struct {
	Partition int
	Offset    int64
	// Published is the record's Kafka timestamp.
	Published  leaderboard.Millis
	Key, Value []byte
	Headers    []kafka.Header
}

// Extents tells what each partition of a topic holds at present.
func Extents(ctx context.Context, c Cluster, topic string) ([]leaderboard.Extent, error) {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	return listExtents(ctx, client, topic)
}

func listExtents(ctx context.Context, client *kafka.Client, topic string) ([]leaderboard.Extent, error) {
	var extents []leaderboard.Extent
	err := retry(ctx, func() error {
		extents = nil
		ids, err := listPartitions(ctx, client, topic)
		if err != nil {
			return err
		}
		for _, id := range ids {
			first, end, err := partition{client, topic, id}.bounds(ctx)
			if err != nil {
				return err
			}
			extents = append(extents, leaderboard.Extent{Partition: id, First: first, End: end})
		}
		return nil
	})
	return extents, err
}

// Tail reads a topic bit by bit. Its connections close when they have been idle for
// a while.
type Tail struct {
	client *kafka.Client
	topic  string
	// next is, by partition, the offset to read on from.
	next map[int]int64
}

// NewTail makes one that has read nothing yet.
func NewTail(c Cluster, topic string) *Tail {
	return &Tail{client: c.Client(topic), topic: topic, next: map[int]int64{}}
}

// CatchUp visits the committed records up to the present end, from where the last
// call came to, also when that was cut off.
func (t *Tail) CatchUp(ctx context.Context, each func(LogRecord)) error {
	extents, err := listExtents(ctx, t.client, t.topic)
	if err != nil {
		return fmt.Errorf("read topic %s: %w", t.topic, err)
	}
	for _, extent := range extents {
		extent.First = max(extent.First, t.next[extent.Partition])
		err := partition{t.client, t.topic, extent.Partition}.read(ctx, extent, func(r LogRecord) error {
			each(r)
			t.next[r.Partition] = r.Offset + 1
			return nil
		})
		if err != nil {
			return fmt.Errorf("read topic %s: %w", t.topic, err)
		}
		t.next[extent.Partition] = max(extent.First, extent.End)
	}
	return nil
}

// ReadLog visits the committed records of an extent, in the order of the log.
func ReadLog(ctx context.Context, c Cluster, topic string, extent leaderboard.Extent, each func(LogRecord) error) error {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	return partition{client, topic, extent.Partition}.read(ctx, extent, each)
}

// newestAmong is how many offsets at the end of a partition are looked through for the
// newest record: the marks of transactions are among them, too.
const newestAmong = 100

// Newest is the publish time of the newest of the last records of a topic; 0 when
// there is none.
func Newest(ctx context.Context, c Cluster, topic string, log []leaderboard.Extent) (leaderboard.Millis, error) {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	var newest leaderboard.Millis
	for _, extent := range log {
		extent.First = max(extent.First, extent.End-newestAmong)
		err := partition{client, topic, extent.Partition}.read(ctx, extent, func(r LogRecord) error {
			newest = max(newest, r.Published)
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("read topic %s: %w", topic, err)
		}
	}
	return newest, nil
}

func (p partition) read(ctx context.Context, extent leaderboard.Extent, each func(LogRecord) error) error {
	var read chunk
	for next := extent.First; next < extent.End; {
		err := retry(ctx, func() (err error) {
			read, err = p.fetch(ctx, next, fetchBytes, read)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range read.messages {
			if m.offset >= extent.End {
				return nil
			}
			record := LogRecord{Partition: p.id, Offset: m.offset, Published: m.published, Key: m.key, Value: m.value, Headers: m.headers}
			if err := each(record); err != nil {
				return err
			}
		}
		next = read.next
	}
	return nil
}
