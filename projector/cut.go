package projector

import (
	"strconv"

	"leaderboard"
)

// maxCutOperations bounds the operations of one script call, so that no script
// holds up Redis' readers for more than some 10 ms. A board counts as
// operationsPerBoard besides: its own reads and writes.
const (
	maxCutOperations   = 500
	operationsPerBoard = 2
	// maxCutEvents bounds the event ids of a script call, which are looked up and
	// kept all at once.
	maxCutEvents = 2000
)

// cut is a range of one partition as far as it concerns one shard, merged.
type cut struct {
	from, to int64
	boards   []*boardCut
	byBoard  map[leaderboard.Board]*boardCut
	weight   int
	records  int
	// stale counts the totals that merging has shown to be stale.
	stale int
	// events are the records with an event id, known their places by digest.
	events     []event
	known      map[digest]int
	passedOver int
	// duplicated counts the records whose event id another one of the cut has.
	duplicated int
}

// event is a record with an event id.
type event struct {
	digest    digest
	published leaderboard.Millis
	offset    int64
}

type boardCut struct {
	board      leaderboard.Board
	rule       leaderboard.Rule
	published  leaderboard.Millis
	operations []operation
	// passedOver counts the board's activities that do not count.
	passedOver int
	// last is, by user, the index of the user's last operation.
	last map[leaderboard.UserID]int
}

// cuts divides a shard's records, by rising offset, into cuts that follow each
// other from the fence to the end of the batch.
func cuts(fence, to int64, records []leaderboard.Record, window leaderboard.Millis) []*cut {
	var all []*cut
	var current *cut
	for i := range records {
		r := &records[i]
		if current == nil || current.weight >= maxCutOperations || len(current.events) >= maxCutEvents {
			if current != nil {
				current.to = r.Offset
				fence = r.Offset
			}
			current = &cut{from: fence, byBoard: map[leaderboard.Board]*boardCut{}}
			all = append(all, current)
		}
		current.records++
		if window > 0 && r.EventID != "" && current.isDuplicate(r, window) {
			current.duplicated++
			continue
		}
		current.add(r)
	}
	if current != nil {
		current.to = to
	}
	return all
}

// isDuplicate tells whether another record of the cut is the same event, and takes
// note of this one if not.
func (c *cut) isDuplicate(r *leaderboard.Record, window leaderboard.Millis) bool {
	d := digestOf(r)
	if i, known := c.known[d]; known {
		if apart := r.Published - c.events[i].published; max(apart, -apart) <= window {
			return true
		}
	}
	if c.known == nil {
		c.known = map[digest]int{}
	}
	c.known[d] = len(c.events)
	c.events = append(c.events, event{d, r.Published, r.Offset})
	return false
}

func (c *cut) add(r *leaderboard.Record) {
	b := c.byBoard[r.Board]
	if b == nil {
		b = &boardCut{board: r.Board, last: map[leaderboard.UserID]int{}}
		c.byBoard[r.Board] = b
		c.boards = append(c.boards, b)
		c.weight += operationsPerBoard
	}
	if r.Type == leaderboard.TypePassedOver {
		b.passedOver++
		c.passedOver++
		return
	}
	if b.rule == (leaderboard.Rule{}) { // an erasure knows none
		b.rule = r.Rule
	}
	b.published = max(b.published, r.Published)
	o := operationOf(r)
	if i, ok := b.last[r.UserID]; ok {
		if merged, stale := b.operations[i].merge(o); merged {
			c.stale += stale
			return
		}
	}
	b.last[r.UserID] = len(b.operations)
	b.operations = append(b.operations, o)
	c.weight++
}

// call is the script call that applies the cut.
func (c *cut) call(l leaderboard.Layout, shard, partition int, window leaderboard.Millis) scriptCall {
	keys := make([]string, 0, 8+2*len(c.boards))
	keys = append(keys, l.FenceKey(shard), l.HoldKey(shard), l.BoardsKey(shard), l.RulesKey(shard), l.PassedKey(shard),
		l.SeenKey(shard), l.SeenHalfKey(shard, partition, 0), l.SeenHalfKey(shard, partition, 1))
	args := make([]any, 0, 6+2*len(c.events)+4*c.weight)
	args = append(args, partition, c.from, c.to, int64(window), maxSeenEvents, len(c.events))
	for i := range c.events {
		args = append(args, c.events[i].digest[:], int64(c.events[i].published))
	}
	for _, b := range c.boards {
		keys = append(keys, l.RankKey(b.board), l.UsersKey(b.board))
		args = append(args, b.board.String(), int64(b.published), b.rule.String(), b.passedOver, len(b.operations))
		for _, o := range b.operations {
			member := leaderboard.Member(o.time, o.user)
			args = append(args, string(o.kind), strconv.FormatInt(int64(o.user), 10), member[:], int64(o.value))
		}
	}
	return scriptCall{keys, args}
}

// staleRecords counts the records behind the operations that the script, which
// numbers them from 1, found stale.
func (c *cut) staleRecords(numbers []int64) int {
	stale := c.stale
	for _, number := range numbers {
		for _, b := range c.boards {
			if number <= int64(len(b.operations)) {
				stale += b.operations[number-1].records
				break
			}
			number -= int64(len(b.operations))
		}
	}
	return stale
}
