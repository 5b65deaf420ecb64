package projector

import (
	"maps"
	"math/rand/v2"
	"reflect"
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

// remembered is a copy of all that a shard remembers of its boards.
func remembered(s *shard) map[leaderboard.Board]any {
	all := map[leaderboard.Board]any{}
	for name, b := range s.boards {
		entries := map[leaderboard.UserID]entry{}
		for user, place := range b.entries {
			entries[user] = place.entry
		}
		all[name] = []any{b.begun, b.order, b.synced, entries}
	}
	return all
}

// TestCutsAreUndone folds records cut by cut and takes some of it back: what is
// remembered is as it was before, and the cuts come out the same a second time.
func TestCutsAreUndone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	s := newShard(&Projector{}, layout, 0)
	records := randomRecords(random, 20_000)
	w := s.open(records, false)
	steps := w.steps
	if len(steps) == 0 || w.unread < windowUnread || w.unread > windowUnread+2 {
		t.Fatalf("a window of %d records has %d unread", len(steps), w.unread)
	}
	for len(steps) > 0 {
		before := remembered(s)
		var cuts []*cut
		for rest := steps; len(rest) > 0 && len(cuts) < 3; rest = rest[cuts[len(cuts)-1].records:] {
			cuts = append(cuts, s.newCut(rest, records[len(w.steps)].Offset, nil))
		}
		after := remembered(s)
		if reflect.DeepEqual(before, after) {
			t.Fatal("the cuts change nothing")
		}
		for i := len(cuts) - 1; i >= 0; i-- {
			cuts[i].undo()
		}
		if !reflect.DeepEqual(remembered(s), before) {
			t.Fatal("after the cuts are taken back it is not as it was before")
		}
		again := s.newCut(steps, records[len(w.steps)].Offset, nil)
		if again.to != cuts[0].to || again.records != cuts[0].records || again.outcome != cuts[0].outcome || !reflect.DeepEqual(again.commands, cuts[0].commands) {
			t.Fatalf("folded again the cut comes to %+v at offset %d, before to %+v at %d", again.outcome, again.to, cuts[0].outcome, cuts[0].to)
		}
		steps = steps[again.records:]
	}
}

// TestCutsFollowEachOther looks at where cuts end and how much they write.
func TestCutsFollowEachOther(t *testing.T) {
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	s := newShard(&Projector{}, layout, 0)
	records := randomRecords(rand.New(rand.NewPCG(3, 4)), 700)
	to := records[len(records)-1].Offset + 5
	steps := s.open(records, false).steps
	total := leaderboard.Outcome{}
	cuts := 0
	for len(steps) > 0 {
		c := s.newCut(steps, to, nil)
		steps = steps[c.records:]
		want := to
		if len(steps) > 0 {
			want = steps[0].record.Offset
		}
		if c.to != want {
			t.Errorf("a cut ends at offset %d, want %d", c.to, want)
		}
		if c.weight > maxCutWeight+boardWeight || (len(steps) > 0 && c.weight < maxCutWeight) {
			t.Errorf("a cut weighs %d, the bound is %d", c.weight, maxCutWeight)
		}
		total.Add(c.outcome)
		cuts++
	}
	if total.Applied+total.Stale+total.PassedOver != len(records) || cuts < 2 {
		t.Errorf("%d cuts come to %+v of %d records", cuts, total, len(records))
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
