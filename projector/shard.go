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
	w := &writing{
		shard: s, session: session, task: t, holding: holding,
		rest: t.records, seen: newSightings(s.layout, s.number, t.partition, s.projector.window),
	}
	err = w.run(ctx)
	if err != nil || !w.clean {
		session.abandon(ctx)
	}
	if err != nil && !errors.Is(err, errOvertaken) {
		s.forget()
		s.projector.lookForNodes(ctx)
	}
	return err
}

// forget makes the next attempt read all that it needs.
func (s *shard) forget() {
	s.remember(-s.entries)
	s.version, s.boards = "", map[leaderboard.Board]*board{}
}

// remember counts entries that are remembered, or are no longer.
func (s *shard) remember(entries int64) {
	s.entries += entries
	s.projector.remembered.Add(entries)
}

// window is a range of records with what they change, and what has to be read of it
// before they can be folded.
type window struct {
	steps  []step
	boards []leaderboard.Board
	users  map[leaderboard.Board][]*place
	unread int
	events []event
}

const (
	// windowUnread and windowRecords bound a window.
	windowUnread  = 1000
	windowRecords = 20_000
)

// open finds what the first of the records change, and makes places for what is to
// be read.
func (s *shard) open(records []leaderboard.Record, dedupe bool) *window {
	w := &window{users: map[leaderboard.Board][]*place{}}
	records = records[:min(len(records), windowRecords)]
	for i := range records {
		if w.unread >= windowUnread {
			records = records[:i]
			break
		}
		r := &records[i]
		next := step{record: r}
		if r.Type != leaderboard.TypePassedOver {
			next.board, next.place = s.find(w, r)
		}
		w.steps = append(w.steps, next)
	}
	if dedupe {
		w.events = eventsOf(records)
	}
	return w
}

func (s *shard) find(w *window, r *leaderboard.Record) (*board, *place) {
	b := s.boards[r.Board]
	if b == nil {
		b = &board{entries: map[leaderboard.UserID]*place{}}
		s.boards[r.Board] = b
		w.boards = append(w.boards, r.Board)
		w.unread++
	}
	p := b.entries[r.UserID]
	if p == nil {
		p = &place{user: r.UserID}
		b.entries[r.UserID] = p
		w.users[r.Board] = append(w.users[r.Board], p)
		w.unread++
		s.remember(1)
	}
	return b, p
}

// close takes back the places of a window that was not read.
func (s *shard) close(w *window) {
	for name, places := range w.users {
		for _, p := range places {
			delete(s.boards[name].entries, p.user)
		}
		s.remember(-int64(len(places)))
	}
	for _, name := range w.boards {
		delete(s.boards, name)
	}
}

// read adds the commands that read what a window lacks, and gives what takes the
// answers.
func (s *shard) read(p *pipeline, w *window) (takes []func() error) {
	for some := range slices.Chunk(w.boards, readFields) {
		names := make([]any, len(some))
		for i, name := range some {
			names[i] = name.String()
		}
		rules := p.hmget(s.layout.RulesKey(s.number), names)
		synced := p.hmget(s.layout.BoardsKey(s.number), names)
		takes = append(takes, func() error { return s.takeBoards(some, rules, synced) })
	}
	for name, users := range w.users {
		for some := range slices.Chunk(users, readFields) {
			fields := make([]any, len(some))
			for i, place := range some {
				fields[i] = leaderboard.UserField(place.user)
			}
			times := p.hmget(s.layout.UsersKey(name), fields)
			takes = append(takes, func() error { return s.takeEntries(p.ctx, name, some, times) })
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

// takeEntries asks for the scores of those that are on the board: the shard is watched
// since the times were read.
func (s *shard) takeEntries(ctx context.Context, name leaderboard.Board, places []*place, times *redis.Cmd) error {
	texts, err := times.Slice()
	if err != nil {
		return err
	}
	var present []*place
	ask := []any{"zmscore", s.layout.RankKey(name)}
	for i, place := range places {
		text, onBoard := texts[i].(string)
		if !onBoard {
			continue
		}
		at, err := leaderboard.ParseMemberTime(text)
		if err != nil {
			return fmt.Errorf("board %s: %w; leaderboard verify --repair --board %s mends it", name, err, name)
		}
		member := leaderboard.Member(at, place.user)
		place.time = at
		present, ask = append(present, place), append(ask, member[:])
	}
	if len(present) == 0 {
		return nil
	}
	scores, err := s.projector.redis.Do(ctx, ask...).Slice()
	if err != nil {
		return err
	}
	for i, place := range present {
		var score float64
		switch v := scores[i].(type) {
		case float64:
			score = v
		case string:
			if score, err = strconv.ParseFloat(v, 64); err != nil {
				return fmt.Errorf("board %s: %w", name, err)
			}
		default:
			place.entry = entry{}
			continue
		}
		place.value, place.onBoard = leaderboard.ValueOfScore(score, s.boards[name].order), true
	}
	return nil
}
