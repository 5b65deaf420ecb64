package projector

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"leaderboard"
)

// randomRecords are of two boards and few users, every type among them.
func randomRecords(random *rand.Rand, n int) []leaderboard.Record {
	types := []leaderboard.ActivityType{
		leaderboard.TypeActivity, leaderboard.TypeTotal, leaderboard.TypeEnrol, leaderboard.TypeWithdraw, leaderboard.TypePassedOver,
	}
	records := make([]leaderboard.Record, n)
	offset := int64(0)
	for i := range records {
		offset += 1 + random.Int64N(3)
		records[i] = leaderboard.Record{
			Offset:    offset,
			Published: leaderboard.Millis(1000 + random.IntN(100)),
			Board:     leaderboard.Board{Org: 1, Group: 1, Rule: leaderboard.TargetRuleID(1 + random.IntN(2)), Period: 1},
			Rule:      leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Descending, End: 1},
			Type:      types[random.IntN(len(types))],
			UserID:    leaderboard.UserID(1 + random.IntN(2000)),
			Value:     leaderboard.Value(random.IntN(5)),
			Time:      leaderboard.Millis(random.IntN(50)),
		}
	}
	return records
}

// newTestShard is a shard that never has to read: who is not known is not there.
func newTestShard() *shard {
	return newShard(&Projector{}, leaderboard.Layout{Generation: 1, Shards: 1}, 0)
}

// stepsOf opens windows until all records of the tasks are in steps.
func stepsOf(s *shard, tasks ...*task) []step {
	var steps []step
	for _, t := range tasks {
		for t.looked < len(t.records) {
			steps = append(steps, s.open(t).steps...)
		}
	}
	return steps
}

// text is an argument as it is sent.
func text(argument any) string {
	if pointer, ok := argument.(*string); ok {
		return *pointer
	}
	if pointer, ok := argument.(*int64); ok {
		return fmt.Sprint(*pointer)
	}
	return fmt.Sprint(argument)
}

// model does to maps what Redis does to its keys; it knows nothing of entries.
type model map[string]map[string]string

func (m model) run(t *testing.T, c command) {
	key := text(c[1])
	if m[key] == nil {
		m[key] = map[string]string{}
	}
	for i := 2; i < len(c); i++ {
		switch c[0] {
		case "hset":
			m[key][text(c[i])] = text(c[i+1])
			i++
		case "zadd":
			m[key][text(c[i+1])] = text(c[i])
			i++
		case "zrem", "hdel":
			if _, there := m[key][text(c[i])]; !there {
				t.Fatalf("%s takes %x from %s, which is not there", c[0], text(c[i]), key)
			}
			delete(m[key], text(c[i]))
		case "hincrby":
			return
		default:
			t.Fatalf("a cut has the command %s", c[0])
		}
	}
}

// folded are the entries of users by board, folded one by one.
type folded map[leaderboard.Board]map[leaderboard.UserID]*entry

func (f folded) fold(r *leaderboard.Record) {
	if r.Type == leaderboard.TypePassedOver {
		return
	}
	if f[r.Board] == nil {
		f[r.Board] = map[leaderboard.UserID]*entry{}
	}
	if f[r.Board][r.UserID] == nil {
		f[r.Board][r.UserID] = &entry{}
	}
	f[r.Board][r.UserID].fold(r)
}

// expect compares the boards with the entries that were folded.
func (m model) expect(t *testing.T, l leaderboard.Layout, want folded) {
	t.Helper()
	for board, users := range want {
		members, times := map[string]string{}, map[string]string{}
		for user, e := range users {
			if e.onBoard {
				member := leaderboard.Member(e.time, user)
				members[string(member[:])] = fmt.Sprint(int64(e.value))
				times[leaderboard.UserField(user)] = leaderboard.MemberTime(e.time)
			}
		}
		if got := m[l.RankKey(board)]; !maps.Equal(got, members) {
			t.Errorf("board %s: the sorted set has %d members, not those that were folded, %d", board, len(got), len(members))
		}
		if got := m[l.UsersKey(board)]; !maps.Equal(got, times) {
			t.Errorf("board %s: the users hash has %d times, not those that were folded, %d", board, len(got), len(times))
		}
	}
}

// TestCutsWriteWhatTheyFold runs the commands of cuts of three tasks, and compares
// with the entries of the users, folded one by one.
func TestCutsWriteWhatTheyFold(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s, redis := newTestShard(), model{}
	want := folded{}
	var tasks []*task
	for partition := range 3 {
		records := randomRecords(random, 7000)
		tasks = append(tasks, &task{partition: partition, records: records, to: records[len(records)-1].Offset + 1})
		for i := range records {
			want.fold(&records[i])
		}
	}
	for steps := stepsOf(s, tasks...); len(steps) > 0; {
		c := s.newCut(steps)
		for _, command := range c.commands {
			redis.run(t, command)
		}
		steps = steps[c.records:]
	}
	redis.expect(t, s.layout, want)
}

// TestCutsFollowEachOther looks at where cuts end, in several tasks, and how much
// they write.
func TestCutsFollowEachOther(t *testing.T) {
	s := newTestShard()
	random := rand.New(rand.NewPCG(3, 4))
	var tasks []*task
	left := map[*task][]leaderboard.Record{}
	all := 0
	for partition, n := range []int{700, 3, 900} {
		records := randomRecords(random, n)
		task := &task{partition: partition, records: records, to: records[n-1].Offset + 5}
		tasks = append(tasks, task)
		left[task] = records
		all += n
	}
	steps := stepsOf(s, tasks...)
	total := leaderboard.Outcome{}
	var cuts []*cut
	for len(steps) > 0 {
		c := s.newCut(steps)
		steps = steps[c.records:]
		for _, p := range c.parts {
			left[p.task] = left[p.task][p.records:]
			want := p.task.to
			if len(left[p.task]) > 0 {
				want = left[p.task][0].Offset
			}
			if p.to != want {
				t.Errorf("a part ends at offset %d, want %d", p.to, want)
			}
			total.Add(p.outcome)
		}
		if c.weight > firstCutWeight+boardWeight || (len(steps) > 0 && c.weight < firstCutWeight) {
			t.Errorf("a cut weighs %d, the bound is %d", c.weight, firstCutWeight)
		}
		cuts = append(cuts, c)
	}
	if total.Applied+total.Stale+total.PassedOver != all || len(cuts) < 2 {
		t.Errorf("%d cuts come to %+v of %d records", len(cuts), total, all)
	}
	for _, c := range cuts {
		for _, p := range c.parts {
			p.task.written(p)
		}
	}
	for _, task := range tasks {
		if len(task.records) > 0 || task.looked != 0 || task.folded != 0 || task.fence != task.to {
			t.Errorf("after all is written %d records are left, %d looked at, %d folded, the fence is at %d of %d", len(task.records), task.looked, task.folded, task.fence, task.to)
		}
	}
}

// TestRepeatedRecordsAreNotDue looks at windows that were opened before the fence was
// found to be ahead.
func TestRepeatedRecordsAreNotDue(t *testing.T) {
	records := randomRecords(rand.New(rand.NewPCG(5, 6)), 5000)
	for _, fence := range []int64{0, records[0].Offset, records[10].Offset + 1, records[3000].Offset, records[4999].Offset, records[4999].Offset + 1} {
		s := newTestShard()
		task := &task{records: records, to: records[4999].Offset + 1}
		windows := []*window{s.open(task), s.open(task)}
		task.repeated(fence)
		for task.looked < len(task.records) {
			windows = append(windows, s.open(task))
		}
		var due []leaderboard.Record
		for _, w := range windows {
			for _, step := range w.due() {
				due = append(due, *step.record)
			}
		}
		var want []leaderboard.Record
		for _, r := range records {
			if r.Offset >= fence {
				want = append(want, r)
			}
		}
		if !slices.Equal(due, want) {
			t.Errorf("behind the fence at %d there are %d records, not those %d", fence, len(due), len(want))
		}
	}
}

// TestEventsAreRemembered fills the halves of the event ids over and over: an id is
// known for at least the latest ids and not for ever, and none beyond the window.
func TestEventsAreRemembered(t *testing.T) {
	s := newSightings(leaderboard.Layout{Generation: 1, Shards: 1}, 0, 0, 1000)
	offset, seenAt := int64(0), map[string]int64{}
	look := func(id string, published leaderboard.Millis) bool {
		r := leaderboard.Record{Offset: offset, EventID: id, Published: published}
		s.events = append(s.events, eventsOf([]leaderboard.Record{r})...)
		offset++
		return s.isRepeat(&r)
	}
	for i := range 3 * maxSeenEvents {
		id := string(rune('a'+i%26)) + string(rune(i))
		if _, known := seenAt[id]; known {
			continue
		}
		if look(id, 1) {
			t.Fatalf("%d: a new id is taken for a repeat", i)
		}
		seenAt[id] = offset - 1
	}
	newest := offset
	for id, at := range maps.Clone(seenAt) {
		if newest-at < maxSeenEvents/2 && !look(id, 1) {
			t.Fatalf("an id is forgotten after %d others", newest-at)
		}
	}
	if look("late", 1) || !look("late", 1001) || look("late", 1002) {
		t.Error("the window is not kept")
	}
	if commands := s.written(); len(commands) < 3 || s.written() != nil {
		t.Errorf("%d commands remember the ids", len(commands))
	}
}
