package consumer

import (
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchAnswer is the answer to a [fetch.Request] with the records as the broker
// sends them. kafka-go's own takes every record apart, at several times the cost,
// and without the offset at which a compacted batch ends and the time at which
// the broker appended it.
type fetchAnswer struct {
	ThrottleTimeMs int32         `kafka:"min=v1,max=v11"`
	ErrorCode      int16         `kafka:"min=v7,max=v11"`
	SessionID      int32         `kafka:"min=v7,max=v11"`
	Topics         []topicAnswer `kafka:"min=v0,max=v11"`
}

type topicAnswer struct {
	Topic      string            `kafka:"min=v0,max=v11"`
	Partitions []partitionAnswer `kafka:"min=v0,max=v11"`
}

type partitionAnswer struct {
	Partition            int32                       `kafka:"min=v0,max=v11"`
	ErrorCode            int16                       `kafka:"min=v0,max=v11"`
	HighWatermark        int64                       `kafka:"min=v0,max=v11"`
	LastStableOffset     int64                       `kafka:"min=v4,max=v11"`
	LogStartOffset       int64                       `kafka:"min=v5,max=v11"`
	AbortedTransactions  []fetch.ResponseTransaction `kafka:"min=v4,max=v11"`
	PreferredReadReplica int32                       `kafka:"min=v11,max=v11"`
	Batches              []byte                      `kafka:"min=v0,max=v11,nullable"`
}

// ApiKey is that of a fetch.
func (*fetchAnswer) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // the name is that of protocol.Message

// kafka-go keeps one form of answer for a process, so that [kafka.Client.Fetch]
// cannot be used where this package is.
func init() { protocol.Register(&fetch.Request{}, &fetchAnswer{}) }
