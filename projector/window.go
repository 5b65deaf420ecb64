package projector

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// step is a record with what it changes; a record that is passed over has neither
// board nor place.
type step struct {
	task   *task
	record *leaderboard.Record
	board  *board
	place  *place
}

// window is a range of a task's records, and what has to be read before they can be
// folded: first the times of the users on the boards, then the scores of the members
// that are found by them.
type window struct {
	task   *task
	steps  []step
	boards []*board
	users  map[*board][]unread
	count  int
	// begun and made are the boards and entries of which nothing is known before the
	// window is ready.
	begun  []*board
	made   []made
	events []event
	// asked is true once something was read, reading while it is.
	asked, reading bool
}

// unread is an entry that is not known yet.
type unread struct {
	user  leaderboard.UserID
	place *place
}

// made is an entry that was not remembered.
type made struct {
	board *board
	user  leaderboard.UserID
}

const (
	// windowUnread and windowRecords bound a window.
	windowUnread  = 1000
	windowRecords = 20_000
	// readFields is how many fields one command reads.
	readFields = 250
)

// open finds what the next records of a task change, and makes places for what is to
// be read.
func (s *shard) open(t *task) *window {
	w := &window{task: t, users: map[*board][]unread{}}
	records := t.records[t.looked:]
	records = records[:min(len(records), windowRecords)]
	w.steps = make([]step, 0, len(records))
	for i := range records {
		if w.count >= windowUnread {
			break
		}
		r := &records[i]
		next := step{task: t, record: r}
		if r.Type != leaderboard.TypePassedOver {
			next.board, next.place = s.find(w, r)
		}
		w.steps = append(w.steps, next)
	}
	if t.seen != nil {
		w.events = eventsOf(records[:len(w.steps)])
	}
	t.looked += len(w.steps)
	return w
}

func (s *shard) find(w *window, r *leaderboard.Record) (*board, *place) {
	b := s.last
	if b == nil || b.name != r.Board {
		var isNew bool
		if b, isNew = s.board(r.Board); isNew {
			w.boards, w.begun = append(w.boards, b), append(w.begun, b)
			w.count++
		}
		s.last = b
	}
	if !b.begun && b.order == "" {
		b.order = r.Order // for what is read of a board that has lost its rule
	}
	p, isNew := s.place(b, r.UserID)
	if isNew && !b.complete {
		w.users[b] = append(w.users[b], unread{r.UserID, p})
		w.made = append(w.made, made{b, r.UserID})
		w.count++
	}
	return b, p
}

// undo forgets what the window was to read.
func (w *window) undo(s *shard) {
	for _, m := range w.made {
		s.drop(m.board, m.user)
	}
	for _, b := range w.begun {
		for user := range b.places {
			s.drop(b, user)
		}
		delete(s.boards, b.name)
	}
	s.last = nil
}

// isReady tells whether the records can be folded.
func (w *window) isReady() bool {
	return w.task.confirmed && !w.reading && len(w.boards)+len(w.users)+len(w.events) == 0
}

// due are the steps whose records were not found to be on the boards already.
func (w *window) due() []step {
	n, _ := slices.BinarySearchFunc(w.steps, w.task.fence, func(s step, fence int64) int {
		return cmp.Compare(s.record.Offset, fence)
	})
	return w.steps[n:]
}

// read adds the commands that read what the window lacks most, and gives what takes
// the answers.
func (w *window) read(p *pipeline, s *shard) (takes []func() error) {
	w.reading = true
	if w.asked {
		return w.readScores(p)
	}
	w.asked = true
	for some := range slices.Chunk(w.boards, readFields) {
		names := make([]any, len(some))
		for i, b := range some {
			names[i] = b.name.String()
		}
		rules := p.hmget(s.layout.RulesKey(s.number), names)
		synced := p.hmget(s.layout.BoardsKey(s.number), names)
		sizes := make([]*redis.Cmd, len(some))
		for i, b := range some {
			sizes[i] = p.do("hlen", b.users)
		}
		takes = append(takes, func() error { return takeBoards(some, rules, synced, sizes) })
	}
	w.boards = nil
	for b, users := range w.users {
		takes = append(takes, w.readTimes(p, b, users)...)
	}
	clear(w.users)
	if w.task.seen != nil {
		takes = append(takes, w.task.seen.read(p, w.events)...)
	}
	w.events = nil
	return takes
}

func takeBoards(boards []*board, rules, synced *redis.Cmd, sizes []*redis.Cmd) error {
	ruleTexts, err := rules.Slice()
	if err != nil {
		return err
	}
	syncedTexts, err := synced.Slice()
	if err != nil {
		return err
	}
	for i, b := range boards {
		if text, begun := ruleTexts[i].(string); begun {
			rule, err := leaderboard.ParseRule(text)
			if err != nil {
				return fmt.Errorf("board %s: %w", b.name, err)
			}
			b.begun, b.order = true, rule.Order
		}
		if text, registered := syncedTexts[i].(string); registered {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("board %s was synced at %q", b.name, text)
			}
			b.synced = leaderboard.Millis(ms)
		}
		size, err := sizes[i].Int64()
		if err != nil {
			return err
		}
		b.complete = size == 0
	}
	return nil
}

func (w *window) readTimes(p *pipeline, b *board, users []unread) (takes []func() error) {
	for some := range slices.Chunk(users, readFields) {
		fields := make([]any, len(some))
		for i, u := range some {
			fields[i] = leaderboard.UserField(u.user)
		}
		times := p.hmget(b.users, fields)
		takes = append(takes, func() error { return w.takeTimes(b, some, times) })
	}
	return takes
}

// takeTimes leaves those who stand on the board unread: their values are not known.
func (w *window) takeTimes(b *board, users []unread, times *redis.Cmd) error {
	texts, err := times.Slice()
	if err != nil {
		return err
	}
	for i, u := range users {
		text, onBoard := texts[i].(string)
		if !onBoard {
			continue
		}
		at, err := leaderboard.ParseMemberTime(text)
		if err != nil {
			return fmt.Errorf("board %s: %w; leaderboard verify --repair --board %s mends it", b.name, err, b.name)
		}
		u.place.time = at
		w.users[b] = append(w.users[b], u)
	}
	return nil
}

func (w *window) readScores(p *pipeline) (takes []func() error) {
	for b, users := range w.users {
		for some := range slices.Chunk(users, readFields) {
			members := make([]any, len(some))
			for i, u := range some {
				member := leaderboard.Member(u.place.time, u.user)
				members[i] = member[:]
			}
			scores := p.do(append([]any{"zmscore", b.rank}, members...)...)
			takes = append(takes, func() error { return takeScores(b, some, scores) })
		}
	}
	clear(w.users)
	return takes
}

// takeScores takes a user whose member is gone for one who is not on the board; only
// verify can say what the value was.
func takeScores(b *board, users []unread, scores *redis.Cmd) error {
	answers, err := scores.Slice()
	if err != nil {
		return err
	}
	for i, u := range users {
		*u.place = place{entry: entry{time: u.place.time, onBoard: true}}
		switch score := answers[i].(type) {
		case nil:
			*u.place = place{}
		case float64: // RESP 3
			u.place.value = leaderboard.ValueOfScore(score, b.order)
		case string:
			parsed, err := strconv.ParseFloat(score, 64)
			if err != nil {
				return fmt.Errorf("board %s has the score %q", b.name, score)
			}
			u.place.value = leaderboard.ValueOfScore(parsed, b.order)
		default:
			return fmt.Errorf("board %s has the score %v", b.name, score)
		}
	}
	return nil
}
