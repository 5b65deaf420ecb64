package projector

import (
	"cmp"
	"crypto/rand"
	"slices"

	"leaderboard"
)

const (
	// maxCutWeight bounds what one transaction writes, in entries, so that it holds
	// up Redis' readers for no more than some 10 ms. A board weighs boardWeight
	// besides: its own commands.
	maxCutWeight = 500
	boardWeight  = 2
	// commandEntries is how many entries one command writes. Redis is fastest when
	// what ZREM has just walked through is still in its cache for ZADD.
	commandEntries = 64
)

// task is what a batch has for one shard.
type task struct {
	partition int
	// fence is where the shard is to stand; the records, by rising offset, lie
	// between it and to.
	fence, to int64
	records   []leaderboard.Record
	outcome   leaderboard.Outcome
}

// repeated drops the records that lie below a fence: they are on the boards already.
func (t *task) repeated(fence int64) {
	n, _ := slices.BinarySearchFunc(t.records, fence, func(r leaderboard.Record, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	t.outcome.Repeated += n
	t.records = t.records[n:]
	t.fence = fence
}

// done drops the records of a cut that was written.
func (t *task) done(c *cut) {
	t.records = t.records[c.records:]
	t.fence = c.to
	t.outcome.Add(c.outcome)
}

// step is a record with what it changes; a record that is passed over has neither
// board nor place.
type step struct {
	record *leaderboard.Record
	board  *board
	place  *place
}

// cut is a range of a partition on one shard, folded: what one transaction is to
// write.
type cut struct {
	// number tells the cuts of a shard apart.
	number  uint64
	to      int64
	records int
	weight  int
	outcome leaderboard.Outcome
	// version is the shard's when the cut is written.
	version  string
	changes  map[leaderboard.Board]*change
	order    []*change
	commands []command
	// queued is true when the commands were sent.
	queued bool
}

// change is what a cut does to one board.
type change struct {
	name  leaderboard.Board
	board *board
	// rule is the one that the board begins with; nil when it was begun before.
	rule         *leaderboard.Rule
	syncedBefore leaderboard.Millis
	passedOver   int64
	touched      []touch
}

// touch is an entry that a cut concerns, as it was before.
type touch struct {
	place  *place
	before entry
}

// command is a command for Redis.
type command []any

// newCut folds the first of the steps that lead to an offset, as many as one
// transaction may write. What is remembered of the shard is changed at once; undo
// takes that back.
func (s *shard) newCut(steps []step, to int64, seen *sightings) *cut {
	s.cuts++
	c := &cut{number: s.cuts, to: to, version: rand.Text(), changes: map[leaderboard.Board]*change{}}
	for _, next := range steps {
		r := next.record
		if c.weight >= maxCutWeight {
			c.to = r.Offset
			break
		}
		c.records++
		if r.EventID != "" && seen != nil {
			if seen.isRepeat(r) {
				c.outcome.Duplicated++
				continue
			}
			c.weight++
		}
		if next.board == nil {
			c.outcome.PassedOver++
			c.change(r.Board).passedOver++
		} else {
			c.fold(next)
		}
	}
	if seen != nil {
		c.commands = seen.written()
	}
	c.addCommands(s.layout, s.number)
	return c
}

func (c *cut) change(name leaderboard.Board) *change {
	ch := c.changes[name]
	if ch == nil {
		ch = &change{name: name}
		c.changes[name] = ch
		c.order = append(c.order, ch)
		c.weight += boardWeight
	}
	return ch
}

func (c *cut) fold(s step) {
	r, b := s.record, s.board
	ch := c.change(r.Board)
	if ch.board == nil {
		ch.board, ch.syncedBefore = b, b.synced
	}
	if !b.begun && r.Rule != (leaderboard.Rule{}) { // an erasure knows none
		b.begun, b.order, ch.rule = true, r.Order, &r.Rule
	}
	b.synced = max(b.synced, r.Published)
	if s.place.cut != c.number {
		s.place.cut = c.number
		ch.touched = append(ch.touched, touch{s.place, s.place.entry})
		c.weight++
	}
	if s.place.fold(r) {
		c.outcome.Stale++
	} else {
		c.outcome.Applied++
	}
}

// undo takes back what the cut has changed of what is remembered.
func (c *cut) undo() {
	for _, ch := range c.order {
		if ch.board == nil {
			continue
		}
		for _, t := range ch.touched {
			t.place.entry, t.place.cut = t.before, 0
		}
		ch.board.synced = ch.syncedBefore
		if ch.rule != nil {
			ch.board.begun, ch.board.order = false, ""
		}
	}
}

// addCommands adds those that write the cut, besides the fence and the version.
func (c *cut) addCommands(l leaderboard.Layout, shard int) {
	synced, rules := command{"hset", l.BoardsKey(shard)}, command{"hset", l.RulesKey(shard)}
	for _, ch := range c.order {
		if ch.passedOver > 0 {
			c.commands = append(c.commands, command{"hincrby", l.PassedKey(shard), ch.name.String(), ch.passedOver})
		}
		if ch.board == nil {
			continue
		}
		if ch.rule != nil {
			rules = append(rules, ch.name.String(), ch.rule.String())
		}
		if ch.board.synced != ch.syncedBefore {
			synced = append(synced, ch.name.String(), int64(ch.board.synced))
		}
		c.addEntries(l, ch)
	}
	c.add(synced, rules)
}

// addEntries writes the entries by rising value: neighbours in the sorted set are
// found by the same steps.
func (c *cut) addEntries(l leaderboard.Layout, ch *change) {
	slices.SortFunc(ch.touched, func(a, b touch) int {
		return cmp.Or(cmp.Compare(a.place.value, b.place.value), cmp.Compare(a.place.user, b.place.user))
	})
	rank, users := l.RankKey(ch.name), l.UsersKey(ch.name)
	for some := range slices.Chunk(ch.touched, commandEntries) {
		zrem, zadd := command{"zrem", rank}, command{"zadd", rank}
		hset, hdel := command{"hset", users}, command{"hdel", users}
		for _, t := range some {
			before, after, user := t.before, t.place.entry, t.place.user
			if after == before {
				continue
			}
			if before.onBoard && (!after.onBoard || before.time != after.time) {
				member := leaderboard.Member(before.time, user)
				zrem = append(zrem, member[:])
			}
			if after.onBoard {
				member := leaderboard.Member(after.time, user)
				zadd = append(zadd, int64(after.value.Score(ch.board.order)), member[:])
				hset = append(hset, leaderboard.UserField(user), leaderboard.MemberTime(after.time))
			} else {
				hdel = append(hdel, leaderboard.UserField(user))
			}
		}
		c.add(zrem, zadd, hset, hdel)
	}
}

// add adds the commands that have something to say.
func (c *cut) add(commands ...command) {
	for _, command := range commands {
		if len(command) > 2 {
			c.commands = append(c.commands, command)
		}
	}
}
