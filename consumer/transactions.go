package consumer

import (
	"cmp"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// abortedTransactions tells, batch by batch in the order of the log, which
// batches belong to a transaction that was aborted: those of a producer from the
// first offset of its aborted transaction up to the marker that ends it.
type abortedTransactions struct {
	ahead []fetch.ResponseTransaction
	open  map[int64]bool
}

func newAbortedTransactions(aborted []fetch.ResponseTransaction) *abortedTransactions {
	ahead := slices.SortedFunc(slices.Values(aborted), func(a, b fetch.ResponseTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	return &abortedTransactions{ahead: ahead, open: map[int64]bool{}}
}

// contains tells whether the batch is part of an aborted transaction.
func (a *abortedTransactions) contains(batch *protocol.RecordBatch) bool {
	if !batch.Attributes.Transactional() {
		return false
	}
	a.advance(batch.BaseOffset)
	return a.open[batch.ProducerID]
}

// end takes note of the marker that ends a transaction, committed or aborted.
func (a *abortedTransactions) end(marker *protocol.ControlBatch) {
	a.advance(marker.BaseOffset)
	delete(a.open, marker.ProducerID)
}

func (a *abortedTransactions) advance(offset int64) {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= offset {
		a.open[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
}
