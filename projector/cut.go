package projector

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"

	"leaderboard"
)

const (
	// boardWeight is what a board weighs in a cut, in entries, besides those that are
	// written: its own commands.
	boardWeight = 2
	// commandEntries is how many entries one command writes. Redis is fastest when
	// what ZREM has just walked through is still in its cache for ZADD.
	commandEntries = 64
)

// cut is what one transaction is to write: ranges of one or several partitions on one
// shard, folded.
type cut struct {
	// number tells the cuts of a shard apart.
	number  uint64
	parts   []part
	records int
	weight  int
	// version is the shard's when the cut is written.
	version  string
	commands []command
	// changes and passedOver are what the commands are made of; undo needs the changes.
	changes    []*change
	passedOver map[leaderboard.Board]int64
	// journal is what other writers are told, nil when there are none.
	journal []byte
	// erases is true when a user is to be forgotten, by the journal too.
	erases bool
	// queued is true when the commands were sent.
	queued bool
}

// part is the range of a task in a cut: so many records, after which its fence is at
// an offset.
type part struct {
	task    *task
	to      int64
	records int
	outcome leaderboard.Outcome
}

// change is what a cut does to one board.
type change struct {
	board *board
	// rule is the one that the board begins with; nil when it was begun before.
	rule         *leaderboard.Rule
	syncedBefore leaderboard.Millis
	touched      []touch
}

// touch is an entry that a cut concerns, as it was before.
type touch struct {
	user   leaderboard.UserID
	place  *place
	before entry
}

// command is a command for Redis.
type command []any

// newCut folds the first of the steps, as many as one transaction may write. What is
// remembered of the shard is changed at once.
func (s *shard) newCut(steps []step) *cut {
	s.cuts++
	c := &cut{number: s.cuts, version: rand.Text()}
	bound := s.pace.cutWeight()
	for i := range steps {
		if c.weight >= bound {
			break
		}
		c.take(&steps[i])
	}
	for _, p := range c.parts {
		if p.task.seen != nil {
			c.commands = append(c.commands, p.task.seen.written()...)
		}
	}
	c.addCommands(s.layout, s.number)
	if s.isShared() {
		c.journal = c.appendJournal([]byte{})
	}
	return c
}

// undo makes what is remembered as it was before the cut was folded.
func (c *cut) undo() {
	for _, ch := range c.changes {
		ch.board.synced = ch.syncedBefore
		if ch.rule != nil {
			ch.board.begun = false
		}
		for _, t := range ch.touched {
			t.place.entry = t.before
		}
	}
}

// take folds a step.
func (c *cut) take(s *step) {
	t, r := s.task, s.record
	if n := len(c.parts); n == 0 || c.parts[n-1].task != t {
		c.parts = append(c.parts, part{task: t})
	}
	p := &c.parts[len(c.parts)-1]
	c.records++
	p.records++
	t.folded++
	p.to = t.next()
	if r.EventID != "" && t.seen != nil {
		if t.seen.isRepeat(r) {
			p.outcome.Duplicated++
			return
		}
		c.weight++
	}
	switch {
	case s.board == nil:
		p.outcome.PassedOver++
		c.passOver(r.Board)
	case c.fold(s):
		p.outcome.Stale++
	default:
		p.outcome.Applied++
	}
}

func (c *cut) passOver(name leaderboard.Board) {
	if c.passedOver == nil {
		c.passedOver = map[leaderboard.Board]int64{}
	}
	if c.passedOver[name] == 0 {
		c.weight += boardWeight
	}
	c.passedOver[name]++
}

// fold folds a record onto its entry. It tells whether the record was stale.
func (c *cut) fold(s *step) (stale bool) {
	r, b := s.record, s.board
	ch := b.change
	if ch == nil {
		ch = &change{board: b, syncedBefore: b.synced}
		b.change = ch
		c.changes = append(c.changes, ch)
		c.weight += boardWeight
	}
	switch {
	case r.Type == leaderboard.TypeWithdraw && r.Rule == (leaderboard.Rule{}): // put in an erasure's place
		c.erases = true
	case !b.begun:
		b.begun, b.order, ch.rule = true, r.Order, &r.Rule
	}
	b.synced = max(b.synced, r.Published)
	if s.place.cut != c.number {
		s.place.cut = c.number
		ch.touched = append(ch.touched, touch{r.UserID, s.place, s.place.entry})
		c.weight++
	}
	return s.place.fold(r)
}

// addCommands adds those that write the cut, besides the fences and the version.
func (c *cut) addCommands(l leaderboard.Layout, shard int) {
	for name, count := range c.passedOver {
		c.commands = append(c.commands, command{"hincrby", l.PassedKey(shard), name.String(), count})
	}
	synced, rules := command{"hset", l.BoardsKey(shard)}, command{"hset", l.RulesKey(shard)}
	for _, ch := range c.changes {
		if ch.rule != nil {
			rules = append(rules, ch.board.name.String(), ch.rule.String())
		}
		if ch.board.synced != ch.syncedBefore {
			synced = append(synced, ch.board.name.String(), int64(ch.board.synced))
		}
		c.addEntries(ch)
		ch.board.change = nil
	}
	c.add(synced, rules)
}

// addEntries writes the entries by rising value: neighbours in the sorted set are
// found by the same steps.
func (c *cut) addEntries(ch *change) {
	slices.SortFunc(ch.touched, func(a, b touch) int {
		return cmp.Or(cmp.Compare(a.place.value, b.place.value), cmp.Compare(a.user, b.user))
	})
	for some := range slices.Chunk(ch.touched, commandEntries) {
		b := newEntryCommands(ch.board, len(some))
		for i := range some {
			b.addEntry(some[i].user, some[i].before, some[i].place.entry)
		}
		c.add(b.zrem, b.zadd, b.hset, b.hdel)
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

// entryCommands are those that write entries of one board. Their arguments lie side
// by side and are pointed to: an argument by value would be an allocation each.
type entryCommands struct {
	order                  leaderboard.Order
	zrem, zadd, hset, hdel command
	text                   strings.Builder
	texts                  []string
	scores                 []int64
}

func newEntryCommands(b *board, entries int) *entryCommands {
	const textsOfEntry = 4
	e := &entryCommands{
		order: b.order,
		zrem:  append(make(command, 0, 2+entries), "zrem", b.rank),
		zadd:  append(make(command, 0, 2+2*entries), "zadd", b.rank),
		hset:  append(make(command, 0, 2+2*entries), "hset", b.users),
		hdel:  command{"hdel", b.users},
		texts: make([]string, 0, textsOfEntry*entries), scores: make([]int64, 0, entries),
	}
	e.text.Grow(entries * (2*leaderboard.MemberSize + 8))
	return e
}

// addEntry adds what makes of an entry another one.
func (e *entryCommands) addEntry(user leaderboard.UserID, before, after entry) {
	if after == before {
		return
	}
	moved := before.onBoard != after.onBoard || before.time != after.time
	if before.onBoard && moved {
		member := leaderboard.Member(before.time, user)
		e.zrem = append(e.zrem, e.argument(member[:]))
	}
	if !after.onBoard {
		e.hdel = append(e.hdel, leaderboard.UserField(user))
		return
	}
	member := leaderboard.Member(after.time, user)
	text := e.argument(member[:])
	e.scores = append(e.scores, int64(after.value.Score(e.order)))
	e.zadd = append(e.zadd, &e.scores[len(e.scores)-1], text)
	if moved {
		field := leaderboard.UserField(user)
		e.texts = append(e.texts, field, (*text)[:leaderboard.MemberTimeSize])
		e.hset = append(e.hset, &e.texts[len(e.texts)-2], &e.texts[len(e.texts)-1])
	}
}

// argument keeps bytes as the text of an argument.
func (e *entryCommands) argument(bytes []byte) *string {
	e.text.Write(bytes)
	all := e.text.String()
	e.texts = append(e.texts, all[len(all)-len(bytes):])
	return &e.texts[len(e.texts)-1]
}
