package projector

import (
	"cmp"
	"slices"

	"leaderboard"
)

// task is what a batch has for one shard.
type task struct {
	partition int
	// fence is where the shard is to stand; the records, by rising offset, lie
	// between it and to.
	fence, to int64
	records   []leaderboard.Record
	outcome   leaderboard.Outcome

	// ended tells why the one who waits for the task is about to give up.
	ended func() error
	done  chan error

	// looked and folded are how many of the records are in windows, and in cuts.
	looked, folded int
	// confirmed is true when Redis was found to stand at the fence.
	confirmed bool
	seen      *sightings
}

// repeated drops the records that lie below a fence: they are on the boards already.
func (t *task) repeated(fence int64) {
	n, _ := slices.BinarySearchFunc(t.records, fence, func(r leaderboard.Record, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	t.outcome.Repeated += n
	t.records = t.records[n:]
	t.looked = max(0, t.looked-n)
	t.fence = fence
}

// written drops the records of a part of a cut that was written.
func (t *task) written(p part) {
	t.records = t.records[p.records:]
	t.looked -= p.records
	t.folded -= p.records
	t.fence = p.to
	t.outcome.Add(p.outcome)
}

// next is the offset up to which everything is in cuts.
func (t *task) next() int64 {
	if t.folded < len(t.records) {
		return t.records[t.folded].Offset
	}
	return t.to
}

// again makes the task as it was when it came, but for what was written.
func (t *task) again() {
	t.looked, t.folded, t.confirmed, t.seen = 0, 0, false, nil
}
