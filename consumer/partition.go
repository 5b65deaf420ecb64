package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"leaderboard"
)

const (
	// fetchBytes bounds what one answer brings, in bytes as they lie in the log. The
	// records under way take some 20 times as much once they are unpacked and
	// decoded, and a lane has three answers under way.
	fetchBytes = 1 << 20
	// minFetchBytes is that of a lane among many.
	minFetchBytes = 32 << 10
	fetchMaxWait  = 500 * time.Millisecond
	// fetchDeadline bounds a request whose answer never comes.
	fetchDeadline = 10 * time.Second
)

// partition is one partition of a topic, to be read.
type partition struct {
	client *kafka.Client
	topic  string
	id     int
}

// message is one record of a partition.
type message struct {
	offset    int64
	published leaderboard.Millis
	key       []byte
	value     []byte
	headers   []kafka.Header
}

// chunk is what one fetch brings: the committed records from the offset asked
// for up to next, and where the partition ends.
type chunk struct {
	messages      []message
	next          int64
	highWatermark int64
}

// fetch reads from an offset on, waiting a moment for the first record. It goes
// by the bare protocol: only there can control batches and aborted transactions
// be told from records (kafka-go delivers both as messages, issue 1332). The
// messages are written over those of reuse, a chunk that is needed no more. The
// broker's answer is longer than maxBytes when one batch of a producer is.
func (p partition) fetch(ctx context.Context, offset int64, maxBytes int, reuse chunk) (chunk, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchDeadline)
	defer cancel()
	answer, err := p.client.Transport.RoundTrip(ctx, p.client.Addr, &fetch.Request{
		ReplicaID:      -1,
		MaxWaitTime:    int32(fetchMaxWait.Milliseconds()),
		MinBytes:       1,
		MaxBytes:       int32(maxBytes),
		IsolationLevel: int8(kafka.ReadCommitted),
		SessionEpoch:   -1,
		Topics: []fetch.RequestTopic{{
			Topic: p.topic,
			Partitions: []fetch.RequestPartition{{
				Partition:          int32(p.id),
				CurrentLeaderEpoch: -1,
				FetchOffset:        offset,
				LogStartOffset:     -1,
				PartitionMaxBytes:  int32(maxBytes),
			}},
		}},
	})
	if err != nil {
		return chunk{}, fmt.Errorf("fetch %s/%d at %d: %w", p.topic, p.id, offset, err)
	}
	response := answer.(*fetchAnswer)
	if code := response.ErrorCode; code != 0 {
		return chunk{}, fmt.Errorf("fetch %s/%d at %d: %w", p.topic, p.id, offset, kafka.Error(code))
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return chunk{}, fmt.Errorf("fetch %s/%d at %d: the broker answered for another partition", p.topic, p.id, offset)
	}
	part := &response.Topics[0].Partitions[0]
	if part.ErrorCode != 0 {
		return chunk{}, fmt.Errorf("fetch %s/%d at %d: %w", p.topic, p.id, offset, kafka.Error(part.ErrorCode))
	}
	messages, next, err := readRecords(part, offset, reuse.messages[:0])
	if err != nil {
		return chunk{}, fmt.Errorf("fetch %s/%d at %d: %w", p.topic, p.id, offset, err)
	}
	return chunk{messages: messages, next: next, highWatermark: part.HighWatermark}, nil
}

// readRecords appends the committed records from offset on to messages, and gives
// the offset to go on from.
func readRecords(part *partitionAnswer, offset int64, messages []message) ([]message, int64, error) {
	next := offset
	aborted := newAbortedTransactions(part.AbortedTransactions)
	for rest := part.Batches; len(rest) > 0; {
		var (
			b   batch
			err error
		)
		b, rest, err = cutBatch(rest)
		if errors.Is(err, errCutOff) && next > offset {
			break // that is how an answer of a limited size ends
		}
		if err != nil {
			return nil, offset, err
		}
		switch {
		case b.attributes.isControl():
			aborted.end(&b)
		case !aborted.contains(&b):
			if messages, err = b.appendMessages(messages, offset); err != nil {
				return nil, offset, err
			}
		}
		next = max(next, b.last+1)
	}
	return messages, next, nil
}

// bounds asks for the partition's first offset and the one after its last.
func (p partition) bounds(ctx context.Context) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchDeadline)
	defer cancel()
	answer, err := p.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{p.topic: {kafka.FirstOffsetOf(p.id), kafka.LastOffsetOf(p.id)}},
	})
	if err != nil {
		return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", p.topic, p.id, err)
	}
	for _, o := range answer.Topics[p.topic] {
		if o.Partition == p.id {
			if o.Error != nil {
				return 0, 0, fmt.Errorf("list offsets of %s/%d: %w", p.topic, p.id, o.Error)
			}
			return o.FirstOffset, o.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("list offsets of %s/%d: the broker answered for another partition", p.topic, p.id)
}
