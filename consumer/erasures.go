package consumer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// profiles is the handler of one partition of the profiles topic. For a tombstone
// it publishes an erase activity, which removes the user from the boards, before it
// removes the profile.
//
// The tombstones that are dealt with are kept in a topic of their own: the
// partition is read again when Redis has lost its profiles, and by every
// generation, and a user who has come back must not be erased once more. A crash
// between the two writes repeats the erasure within seconds.
type profiles struct {
	documents
	cluster       Cluster
	erasuresTopic string
	activities    *kafka.Writer
	erasures      *kafka.Writer

	// handled is, by the key of the user, the last tombstone dealt with.
	handled map[string]erasure
}

// erasure is the value of a record of the erasures topic, keyed orgId:userId: the
// place of the tombstone.
type erasure struct {
	Partition int   `json:"partition"`
	Offset    int64 `json:"offset"`
}

func (p *profiles) resume(ctx context.Context, log leaderboard.Extent) (int64, error) {
	p.handled = map[string]erasure{}
	err := ReadCompacted(ctx, p.cluster, p.erasuresTopic, func(key string, value []byte) error {
		var e erasure
		if json.Unmarshal(value, &e) == nil {
			p.handled[key] = e
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the erasures: %w", err)
	}
	return p.documents.resume(ctx, log)
}

func (p *profiles) handle(ctx context.Context, from, to int64, records []*leaderboard.Document) error {
	var erase, settled []kafka.Message
	for _, document := range records {
		if document == nil || document.Value != nil {
			continue
		}
		place := erasure{p.partition.id, document.Offset}
		before, known := p.handled[document.Key]
		if known && before.Partition == place.Partition && before.Offset >= place.Offset {
			continue
		}
		activity, mark, err := eraseMessages(document.Key, place)
		if err != nil {
			return err
		}
		erase, settled = append(erase, activity), append(settled, mark)
	}
	for _, step := range []struct {
		writer   *kafka.Writer
		messages []kafka.Message
	}{{p.activities, erase}, {p.erasures, settled}} {
		if err := step.writer.WriteMessages(ctx, step.messages...); err != nil {
			return fmt.Errorf("write %d erasures to topic %s: %w", len(step.messages), step.writer.Topic, err)
		}
	}
	for _, m := range settled {
		var e erasure
		if err := json.Unmarshal(m.Value, &e); err != nil {
			return err
		}
		p.handled[string(m.Key)] = e
	}
	return p.documents.handle(ctx, from, to, records)
}

// eraseMessages are the activity that erases a user and the mark that it was published.
func eraseMessages(key string, place erasure) (activity, mark kafka.Message, err error) {
	org, user, err := leaderboard.ParseUserKey(key)
	if err != nil {
		return activity, mark, err
	}
	record, err := json.Marshal(map[string]any{
		"type": leaderboard.TypeErase, "orgId": org, "userId": user,
		"eventId": fmt.Sprintf("erase/%d/%d", place.Partition, place.Offset),
	})
	if err != nil {
		return activity, mark, err
	}
	value, err := json.Marshal(place)
	return kafka.Message{Key: []byte(key), Value: record}, kafka.Message{Key: []byte(key), Value: value}, err
}
