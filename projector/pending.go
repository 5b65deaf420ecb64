package projector

import (
	"cmp"
	"slices"

	"leaderboard"
)

// pending is what of a batch is still to be applied, by shard, and what became of
// the rest.
type pending struct {
	shards  [][]leaderboard.Record
	outcome leaderboard.Outcome
}

// write is one script call to come: a cut of one shard.
type write struct {
	shard int
	cut   *cut
}

func newPending(l leaderboard.Layout, records []leaderboard.Record) *pending {
	p := &pending{shards: make([][]leaderboard.Record, l.Shards)}
	for i := range records {
		shard := l.Shard(records[i].Board)
		p.shards[shard] = append(p.shards[shard], records[i])
	}
	return p
}

// writes are the script calls still to be done when the shards stand at fences.
func (p *pending) writes(fences []int64, to int64, window leaderboard.Millis) []write {
	var all []write
	for shard, fence := range fences {
		p.repeated(shard, fence)
		for _, c := range cuts(fence, to, p.shards[shard], window) {
			all = append(all, write{shard, c})
		}
	}
	return all
}

// repeated drops what lies below a fence: it is on the boards already.
func (p *pending) repeated(shard int, fence int64) {
	n, _ := slices.BinarySearchFunc(p.shards[shard], fence, func(r leaderboard.Record, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	p.outcome.Repeated += n
	p.shards[shard] = p.shards[shard][n:]
}

// applied drops what a write has brought to the boards.
func (p *pending) applied(w write, stale int) {
	p.repeated(w.shard, w.cut.from)
	p.shards[w.shard] = p.shards[w.shard][w.cut.records:]
	p.outcome.Stale += stale
	p.outcome.Duplicated += w.cut.duplicated
	p.outcome.PassedOver += w.cut.passedOver
	p.outcome.Applied += w.cut.records - stale - w.cut.duplicated - w.cut.passedOver
}

// duplicated drops the events of a write, counted from 1, that were seen before.
func (p *pending) duplicated(w write, numbers []int64) {
	offsets := map[int64]bool{}
	for _, number := range numbers {
		offsets[w.cut.events[number-1].offset] = true
	}
	p.outcome.Duplicated += len(offsets)
	p.shards[w.shard] = slices.DeleteFunc(p.shards[w.shard], func(r leaderboard.Record) bool { return offsets[r.Offset] })
}
