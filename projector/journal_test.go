package projector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"leaderboard"
)

// sharedShard is a shard in Redis with two writers, and what they should have made of it.
type sharedShard struct {
	redis   model
	version string
	journal []string
	want    folded
	synced  map[leaderboard.Board]leaderboard.Millis
}

// write writes a cut, and folds its records in the order in which they are written.
func (shared *sharedShard) write(t *testing.T, c *cut) {
	for _, command := range c.commands {
		shared.redis.run(t, command)
	}
	shared.journal = append([]string{string(c.journalEntry(shared.version))}, shared.journal...)
	shared.version = c.version
	for _, p := range c.parts {
		for _, r := range p.task.records[:p.records] {
			shared.want.fold(&r)
			if r.Type != leaderboard.TypePassedOver {
				shared.synced[r.Board] = max(shared.synced[r.Board], r.Published)
			}
		}
		p.task.written(p)
	}
}

// read gives a window what it lacks.
func (shared *sharedShard) read(t *testing.T, s *shard, w *window) {
	for _, b := range w.boards {
		b.complete = len(shared.redis[s.layout.UsersKey(b.name)]) == 0
		b.order = leaderboard.Descending
		b.begun = shared.redis[s.layout.RulesKey(0)][b.name.String()] != ""
		synced, _ := strconv.ParseInt(shared.redis[s.layout.BoardsKey(0)][b.name.String()], 10, 64)
		b.synced = leaderboard.Millis(synced)
	}
	for b, users := range w.users {
		for _, u := range users {
			text, onBoard := shared.redis[s.layout.UsersKey(b.name)][leaderboard.UserField(u.user)]
			if !onBoard {
				continue
			}
			at, err := leaderboard.ParseMemberTime(text)
			if err != nil {
				t.Fatal(err)
			}
			member := leaderboard.Member(at, u.user)
			value, err := strconv.ParseInt(shared.redis[s.layout.RankKey(b.name)][string(member[:])], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			u.place.entry = entry{at, leaderboard.Value(value), true}
		}
	}
}

// TestWritersTellEachOther lets two writers of the same users take turns. Each folds
// more than it can write, and has windows that are never read.
func TestWritersTellEachOther(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			shared := &sharedShard{redis: model{}, version: "first", want: folded{}, synced: map[leaderboard.Board]leaderboard.Millis{}}
			writers, tasks := make([]*shard, 2), make([]*task, 2)
			for i := range writers {
				writers[i] = newTestShard()
				writers[i].version = shared.version
				records := randomRecords(random, 20_000)
				tasks[i] = &task{partition: i, records: records, to: records[len(records)-1].Offset + 1}
			}
			for turns := 0; len(tasks[0].records)+len(tasks[1].records) > 0; turns++ {
				i := random.IntN(2)
				shared.turn(t, random, writers[i], tasks[i])
				if turns > 0 && writers[i].slab.used > 3*2*2000 {
					t.Fatalf("%d places for 4,000 entries", writers[i].slab.used)
				}
			}
			shared.compare(t, writers[0].layout)
		})
	}
}

func (shared *sharedShard) turn(t *testing.T, random *rand.Rand, s *shard, todo *task) {
	if s.version != shared.version && !s.adopt(shared.journal) {
		t.Fatal("the journal does not lead from the version that is known to that of Redis")
	}
	todo.again()
	w := &writing{shard: s, tasks: []*task{todo}}
	for read := random.IntN(8); read > 0 && todo.looked < len(todo.records); read-- {
		window := s.open(todo)
		shared.read(t, s, window)
		w.steps = append(w.steps, window.steps...)
	}
	for unread := random.IntN(3); unread > 0 && todo.looked < len(todo.records); unread-- {
		w.windows = append(w.windows, s.open(todo))
	}
	s.sharedUntil = time.Now().Add(time.Hour)
	w.fold(random.IntN(5))
	for range random.IntN(1 + len(w.ahead)) {
		shared.write(t, w.ahead[0])
		s.version, w.ahead = shared.version, w.ahead[1:]
	}
	w.undo()
}

func (shared *sharedShard) compare(t *testing.T, l leaderboard.Layout) {
	shared.redis.expect(t, l, shared.want)
	for board, synced := range shared.synced {
		if at := shared.redis[l.BoardsKey(0)][board.String()]; at != fmt.Sprint(int64(synced)) {
			t.Errorf("board %s was synced at %s, want %d", board, at, synced)
		}
	}
}

// TestJournalThatDoesNotLeadOn looks at journals from which nothing can be learnt.
func TestJournalThatDoesNotLeadOn(t *testing.T) {
	records := randomRecords(rand.New(rand.NewPCG(1, 1)), 1000)
	teller := newTestShard()
	teller.sharedUntil = time.Now().Add(time.Hour)
	c := teller.newCut(stepsOf(teller, &task{records: records, to: 10_000}))
	entry := string(c.journalEntry("known"))
	for name, journal := range map[string][]string{
		"nothing":        nil,
		"another writer": {string(c.journalEntry("unknown"))},
		"cut off":        {entry[:len(entry)-1]},
		"no text":        {"\x03a"},
		"no board":       {string(appendText(appendText(appendText(nil, "known"), "next"), "board"))},
	} {
		s := newTestShard()
		s.version = "known"
		if s.adopt(journal) {
			t.Errorf("%s: was taken for what others have written", name)
		}
	}
	s := newTestShard()
	s.version = noVersion
	if s.adopt([]string{string(c.journalEntry(noVersion))}) {
		t.Error("a shard without a version was taken for one that is known")
	}
	s.version = "known"
	if !s.adopt(slices.Insert([]string{entry}, 0, string(c.journalEntry("unknown")))) || s.version != c.version {
		t.Error("what leads on was not found")
	}
}
