package consumer

import (
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// The headers that a dead letter has besides those of the record.
const (
	HeaderReason    = "dl.reason"
	HeaderDetail    = "dl.detail"
	HeaderTopic     = "dl.topic"
	HeaderPartition = "dl.partition"
	HeaderOffset    = "dl.offset"
	HeaderTime      = "dl.time"
)

// HeaderOrigin is on a record that was published again from the dead letters: the
// topic/partition/offset of its first home, by which a record that has no event id
// is known.
const HeaderOrigin = "dl.origin"

// Place is where a record lies in Kafka.
type Place struct {
	Topic     string
	Partition int
	Offset    int64
}

// String is topic/partition/offset.
func (p Place) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// PlaceOfDeadLetter tells from the headers of a dead letter where the record lies
// that it speaks of. The last header of a name counts: a record may have brought
// such headers itself.
func PlaceOfDeadLetter(headers []kafka.Header) (Place, error) {
	found := map[string]string{}
	for _, h := range headers {
		found[h.Key] = string(h.Value)
	}
	topic := found[HeaderTopic]
	if topic == "" {
		return Place{}, fmt.Errorf("header %s is missing", HeaderTopic)
	}
	partition, err := strconv.Atoi(found[HeaderPartition])
	if err != nil {
		return Place{}, fmt.Errorf("header %s: %w", HeaderPartition, err)
	}
	offset, err := strconv.ParseInt(found[HeaderOffset], 10, 64)
	if err != nil {
		return Place{}, fmt.Errorf("header %s: %w", HeaderOffset, err)
	}
	return Place{topic, partition, offset}, nil
}

// deadLetter makes the dead letter of a record: the record as it came, and why.
func deadLetter(p partition, m message, r *Rejection, now time.Time) kafka.Message {
	headers := append([]kafka.Header{}, m.headers...)
	for _, h := range []struct{ key, value string }{
		{HeaderReason, string(r.Reason)},
		{HeaderDetail, r.Detail},
		{HeaderTopic, p.topic},
		{HeaderPartition, strconv.Itoa(p.id)},
		{HeaderOffset, strconv.FormatInt(m.offset, 10)},
		{HeaderTime, now.UTC().Format("2006-01-02T15:04:05.000Z07:00")},
	} {
		headers = append(headers, kafka.Header{Key: h.key, Value: []byte(h.value)})
	}
	return kafka.Message{Key: m.key, Value: m.value, Headers: headers}
}

// deadLetterWriter makes the writer of the dead letters.
func deadLetterWriter(c Cluster, topic string) *kafka.Writer {
	w := c.Writer(topic)
	w.BatchBytes = maxMessageBytes
	w.MaxAttempts = 3 // the lane tries again, with a backoff of its own
	return w
}
