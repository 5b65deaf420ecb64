package consumer

import (
	"context"

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

// ReadLog visits the committed records of an extent, in the order of the log.
func ReadLog(ctx context.Context, c Cluster, topic string, extent leaderboard.Extent, each func(LogRecord) error) error {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	return partition{client, topic, extent.Partition}.read(ctx, extent, each)
}

func (p partition) read(ctx context.Context, extent leaderboard.Extent, each func(LogRecord) error) error {
	for next := extent.First; next < extent.End; {
		var read chunk
		err := retry(ctx, func() (err error) {
			read, err = p.fetch(ctx, next)
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
