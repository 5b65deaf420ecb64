package consumer

import (
	"cmp"
	"slices"

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
func (a *abortedTransactions) contains(b *batch) bool {
	if !b.attributes.isTransactional() {
		return false
	}
	a.advance(b.first)
	return a.open[b.producer]
}

// end takes note of the marker that ends a transaction, committed or aborted.
func (a *abortedTransactions) end(marker *batch) {
	a.advance(marker.first)
	delete(a.open, marker.producer)
}

func (a *abortedTransactions) advance(offset int64) {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= offset {
		a.open[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
}
