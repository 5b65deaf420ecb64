package consumer

import (
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
