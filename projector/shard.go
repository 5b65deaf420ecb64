package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// shard writes to one shard, one task at a time, and remembers what it has read and
// written. What it remembers is right as long as the shard's version in Redis is the
// one it knows: whoever changes a board changes the version.
type shard struct {
	projector *Projector
	layout    leaderboard.Layout
	number    int

	mu sync.Mutex
	// version is empty when nothing is remembered.
	version string
	boards  map[leaderboard.Board]*board
	// entries counts those of all boards.
	entries int64
	// cuts counts the cuts, to number them.
	cuts uint64
}

// board is what is remembered of a board. A user without an entry here may have one
// in Redis.
type board struct {
	begun   bool
	order   leaderboard.Order
	synced  leaderboard.Millis
	entries map[leaderboard.UserID]*place
}

// place is where a user's entry is remembered.
type place struct {
	entry
	user leaderboard.UserID
	// cut is the number of the last one that has touched the entry.
	cut uint64
}

func newShard(p *Projector, l leaderboard.Layout, number int) *shard {
	return &shard{projector: p, layout: l, number: number, boards: map[leaderboard.Board]*board{}}
}

var (
	// errOvertaken says that another writer came between reading and writing.
	errOvertaken = errors.New("another writer was faster")
	// errHeld says that the shard's writers have to wait, see Hold.
	errHeld = errors.New("the shard is held")
)

// patience is how often in a row a writer lets others be faster before it holds the
// shard for itself.
const patience = 3

// apply writes a task. After an error the task says how far it has come.
func (s *shard) apply(ctx context.Context, t *task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	overtaken := 0
	for {
		err := s.attempt(ctx, t, false)
		if errors.Is(err, errOvertaken) {
			s.projector.metrics.conflicts.Inc()
			overtaken++
			if overtaken >= patience {
				err = Hold(ctx, s.projector.redis, s.layout, s.number, func(ctx context.Context) error {
					return s.attempt(ctx, t, true)
				})
			}
		}
		switch {
		case errors.Is(err, errOvertaken):
		case errors.Is(err, errHeld):
			if err := pause(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// attempt reads what it has to know, and writes cut by cut. Every transaction goes
// through only if nobody has changed the shard since its state was looked at.
func (s *shard) attempt(ctx context.Context, t *task, holding bool) error {
	session, err := s.projector.connect(ctx, s.layout, s.number)
	if err != nil {
		return s.projector.counted(err)
	}
	defer session.end()
	seen := newSightings(s.layout, s.number, t, s.projector.window)
	steps, err := s.look(ctx, session, t, seen, holding)
	if err == nil && len(steps) > 0 {
		err = s.write(ctx, session, t, steps, seen, holding)
	}
	if err != nil || len(steps) == 0 {
		session.abandon(ctx)
	}
	if err != nil && !errors.Is(err, errOvertaken) {
		s.forget()
		s.projector.lookForNodes(ctx)
	}
	return err
}

// write folds and writes the steps, cut by cut. While Redis executes one cut the next
// is on its way, and the one after it is folded.
func (s *shard) write(ctx context.Context, session *session, t *task, steps []step, seen *sightings, holding bool) (err error) {
	var ahead []*cut // folded and not written, the first one being written
	defer func() {
		if err != nil {
			for _, c := range slices.Backward(ahead) {
				c.undo()
			}
		}
	}()
	fold := func() {
		if len(steps) > 0 {
			s.cuts++
			c := newCut(s.layout, s.number, s.cuts, steps, t.to, seen)
			steps = steps[c.records:]
			ahead = append(ahead, c)
		}
	}
	fold()
	fold()
	for queued := false; len(ahead) > 0; queued = true {
		e := s.newExecution(t.partition, ahead, queued)
		sent := make(chan error, 1)
		go func() { sent <- session.exchange(ctx, e.fill) }()
		fold()
		if err := <-sent; err != nil {
			return s.projector.counted(err)
		}
		if err := e.outcome(); err != nil {
			return err
		}
		s.version = e.cut.version
		t.done(e.cut)
		ahead = ahead[1:]
		s.projector.metrics.transactionEntries.Observe(float64(e.cut.weight))
		if e.next != nil {
			if err := s.confirm(e.state, t, holding); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget makes the next attempt read all that it needs.
func (s *shard) forget() {
	s.projector.remembered.Add(-s.entries)
	s.version, s.boards, s.entries = "", map[leaderboard.Board]*board{}, 0
}

// watched is the state of a shard that is watched from then on.
type watched struct{ watch, version, fence, hold *redis.Cmd }

func (s *shard) watch(p *pipeline, partition int) watched {
	version, fence := s.layout.VersionKey(s.number), s.layout.FenceKey(s.number)
	return watched{
		watch:   p.do("watch", version, fence),
		version: p.do("get", version),
		fence:   p.do("hget", fence, partition),
		hold:    p.do("exists", s.layout.HoldKey(s.number)),
	}
}

// check compares the state with what a task expects.
func (w watched) check(t *task, holding bool) (version string, err error) {
	if err := w.watch.Err(); err != nil {
		return "", err
	}
	if version, err = w.version.Text(); err != nil && !errors.Is(err, redis.Nil) {
		return "", err
	}
	held, err := w.hold.Bool()
	if err != nil {
		return "", err
	}
	fence, err := w.fence.Int64()
	switch {
	case errors.Is(err, redis.Nil):
		fence = -1
	case err != nil:
		return "", err
	}
	switch {
	case fence < t.fence:
		return "", fmt.Errorf("the fence of partition %d is at %d instead of %d: %w", t.partition, fence, t.fence, leaderboard.ErrTailLost)
	case held && !holding:
		return "", errHeld
	}
	t.repeated(fence)
	return version, nil
}

// look reads the state of the shard, and what the task's records concern and is not
// remembered.
func (s *shard) look(ctx context.Context, session *session, t *task, seen *sightings, holding bool) ([]step, error) {
	if s.version == "" || s.projector.remembered.Load() > s.projector.config.RememberEntries {
		s.forget()
	}
	for {
		steps, unread := s.find(t.records)
		var state watched
		var takes []func() error
		err := session.exchange(ctx, func(p *pipeline) {
			p.do("unwatch")
			state = s.watch(p, t.partition)
			takes = s.read(p, unread)
			if seen != nil {
				takes = append(takes, seen.read(p)...)
			}
		})
		if err != nil {
			return nil, s.projector.counted(err)
		}
		version, err := state.check(t, holding)
		if err != nil {
			return nil, err
		}
		if s.version != "" && version != s.version {
			s.forget() // others have written: what was remembered is of yesterday
			continue
		}
		s.version = version
		for _, take := range takes {
			if err := take(); err != nil {
				return nil, s.projector.counted(err)
			}
		}
		return steps[len(steps)-len(t.records):], nil
	}
}

// unread are boards, and entries of boards, that a task concerns and nothing is
// remembered of.
type unread struct {
	boards []leaderboard.Board
	users  map[leaderboard.Board][]*place
}

// find finds what the records change, and makes places for what is to be read.
func (s *shard) find(records []leaderboard.Record) ([]step, unread) {
	steps := make([]step, len(records))
	u := unread{users: map[leaderboard.Board][]*place{}}
	for i := range records {
		r := &records[i]
		steps[i].record = r
		if r.Type == leaderboard.TypePassedOver {
			continue
		}
		b := s.boards[r.Board]
		if b == nil {
			b = &board{entries: map[leaderboard.UserID]*place{}}
			s.boards[r.Board] = b
			u.boards = append(u.boards, r.Board)
		}
		p := b.entries[r.UserID]
		if p == nil {
			p = &place{user: r.UserID}
			b.entries[r.UserID] = p
			u.users[r.Board] = append(u.users[r.Board], p)
			s.entries++
			s.projector.remembered.Add(1)
		}
		steps[i].board, steps[i].place = b, p
	}
	return steps, u
}

// read adds the commands that read, and gives what takes the answers.
func (s *shard) read(p *pipeline, u unread) (takes []func() error) {
	for some := range slices.Chunk(u.boards, readFields) {
		names := make([]any, len(some))
		for i, name := range some {
			names[i] = name.String()
		}
		rules := p.hmget(s.layout.RulesKey(s.number), names)
		synced := p.hmget(s.layout.BoardsKey(s.number), names)
		takes = append(takes, func() error { return s.takeBoards(some, rules, synced) })
	}
	for name, users := range u.users {
		for some := range slices.Chunk(users, readFields) {
			fields := make([]any, len(some))
			for i, place := range some {
				fields[i] = int64(place.user)
			}
			states := p.hmget(s.layout.UsersKey(name), fields)
			takes = append(takes, func() error { return takeEntries(name, some, states) })
		}
	}
	return takes
}

func (s *shard) takeBoards(names []leaderboard.Board, rules, synced *redis.Cmd) error {
	ruleTexts, err := rules.Slice()
	if err != nil {
		return err
	}
	syncedTexts, err := synced.Slice()
	if err != nil {
		return err
	}
	for i, name := range names {
		b := s.boards[name]
		if text, begun := ruleTexts[i].(string); begun {
			rule, err := leaderboard.ParseRule(text)
			if err != nil {
				return fmt.Errorf("board %s: %w", name, err)
			}
			b.begun, b.order = true, rule.Order
		}
		if text, registered := syncedTexts[i].(string); registered {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("board %s was synced at %q", name, text)
			}
			b.synced = leaderboard.Millis(ms)
		}
	}
	return nil
}

func takeEntries(name leaderboard.Board, places []*place, states *redis.Cmd) error {
	texts, err := states.Slice()
	if err != nil {
		return err
	}
	for i, place := range places {
		text, onBoard := texts[i].(string)
		if !onBoard {
			continue
		}
		at, value, err := leaderboard.ParseState(text)
		if err != nil {
			return fmt.Errorf("board %s: %w; leaderboard verify --repair --board %s mends it", name, err, name)
		}
		place.entry = entry{at, value, true}
	}
	return nil
}

// confirm makes sure that nobody else has written since the last transaction.
func (s *shard) confirm(state watched, t *task, holding bool) error {
	fence := t.fence
	version, err := state.check(t, holding)
	if err == nil && (version != s.version || t.fence != fence) {
		err = errOvertaken
	}
	return err
}

// execution executes a cut as one transaction, and queues the next one.
type execution struct {
	shard     *shard
	partition int
	cut, next *cut
	// begun is true of a cut that was queued before.
	begun  bool
	queued []*redis.Cmd
	exec   *redis.Cmd
	state  watched
}

func (s *shard) newExecution(partition int, ahead []*cut, begun bool) *execution {
	e := &execution{shard: s, partition: partition, cut: ahead[0], begun: begun}
	if len(ahead) > 1 {
		e.next = ahead[1]
	}
	return e
}

func (e *execution) fill(p *pipeline) {
	if !e.begun {
		e.queue(p, e.cut)
	}
	e.exec = p.do("exec")
	if e.next != nil {
		e.state = e.shard.watch(p, e.partition)
		e.queue(p, e.next)
	}
}

func (e *execution) queue(p *pipeline, c *cut) {
	s := e.shard
	e.queued = append(e.queued, p.do("multi"))
	for _, command := range c.commands {
		e.queued = append(e.queued, p.do(command...))
	}
	e.queued = append(e.queued,
		p.do("hset", s.layout.FenceKey(s.number), e.partition, c.to),
		p.do("set", s.layout.VersionKey(s.number), c.version))
}

// outcome is nil when the cut is written.
func (e *execution) outcome() error {
	if err := outcomeOf(e.exec); err != nil {
		return err
	}
	for _, command := range e.queued {
		if err := command.Err(); err != nil {
			return e.shard.projector.counted(err) // and Redis is going to refuse the next one
		}
	}
	return nil
}

// outcomeOf tells what became of a transaction.
func outcomeOf(exec *redis.Cmd) error {
	answers, err := exec.Slice()
	if errors.Is(err, redis.Nil) {
		return errOvertaken
	}
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if err, failed := answer.(error); failed {
			return fmt.Errorf("a part of what was written is not on its board, leaderboard verify --repair mends it: %w", err)
		}
	}
	return nil
}
