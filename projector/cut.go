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
}

type boardCut struct {
	board      leaderboard.Board
	order      leaderboard.Order
	published  leaderboard.Millis
	operations []operation
	// last is, by user, the index of the user's last operation.
	last map[leaderboard.UserID]int
}

// cuts divides a shard's records, by rising offset, into cuts that follow each
// other from the fence to the end of the batch.
func cuts(fence, to int64, records []leaderboard.Record) []*cut {
	var all []*cut
	var current *cut
	for i := range records {
		r := &records[i]
		if current == nil || current.weight >= maxCutOperations {
			if current != nil {
				current.to = r.Offset
				fence = r.Offset
			}
			current = &cut{from: fence, byBoard: map[leaderboard.Board]*boardCut{}}
			all = append(all, current)
		}
		current.add(r)
	}
	if current != nil {
		current.to = to
	}
	return all
}

func (c *cut) add(r *leaderboard.Record) {
	b := c.byBoard[r.Board]
	if b == nil {
		b = &boardCut{board: r.Board, order: r.Order, last: map[leaderboard.UserID]int{}}
		c.byBoard[r.Board] = b
		c.boards = append(c.boards, b)
		c.weight += operationsPerBoard
	}
	c.records++
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
func (c *cut) call(l leaderboard.Layout, shard, partition int) scriptCall {
	keys := make([]string, 0, 3+2*len(c.boards))
	keys = append(keys, l.FenceKey(shard), l.HoldKey(shard), l.BoardsKey(shard))
	args := make([]any, 0, 3+4*c.weight)
	args = append(args, partition, c.from, c.to)
	for _, b := range c.boards {
		keys = append(keys, l.RankKey(b.board), l.UsersKey(b.board))
		args = append(args, b.board.String(), int64(b.published), string(b.order), len(b.operations))
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
