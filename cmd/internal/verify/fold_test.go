package verify

import (
	"fmt"
	"slices"
	"testing"

	"leaderboard"
)

// step is one record in short.
type step struct {
	kind  leaderboard.ActivityType
	value leaderboard.Value
	at    leaderboard.Millis
}

// TestFoldOfOneUser holds the fold against what the records are documented to do.
func TestFoldOfOneUser(t *testing.T) {
	const (
		activity = leaderboard.TypeActivity
		total    = leaderboard.TypeTotal
		enrol    = leaderboard.TypeEnrol
		withdraw = leaderboard.TypeWithdraw
		end      = leaderboard.MaxValue
	)
	for name, c := range map[string]struct {
		how   leaderboard.Aggregate
		steps []step
		want  string // value at time, empty for a user who is not on the board
	}{
		"a sum adds":                           {leaderboard.Sum, []step{{activity, 5, 10}, {activity, -7, 30}, {activity, 1, 20}}, "-1 at 30"},
		"a sum stops at the end of the range":  {leaderboard.Sum, []step{{activity, end, 1}, {activity, 9, 2}, {activity, -2, 3}}, fmt.Sprintf("%d at 3", end-2)},
		"and at the other end":                 {leaderboard.Sum, []step{{activity, -end, 1}, {activity, -9, 2}, {activity, 2, 3}}, fmt.Sprintf("%d at 3", 2-end)},
		"a maximum keeps the greatest":         {leaderboard.Max, []step{{activity, -5, 10}, {activity, -9, 30}, {activity, -4, 20}}, "-4 at 30"},
		"a minimum keeps the least":            {leaderboard.Min, []step{{activity, 5, 10}, {activity, 9, 30}, {activity, 4, 20}}, "4 at 30"},
		"an enrolled user's 0 counts":          {leaderboard.Min, []step{{enrol, 0, 10}, {activity, 9, 30}}, "0 at 30"},
		"the latest counts":                    {leaderboard.Latest, []step{{activity, 5, 10}, {activity, 9, 30}, {activity, 4, 20}}, "9 at 30"},
		"of equal times the later record":      {leaderboard.Latest, []step{{activity, 5, 10}, {activity, 9, 10}}, "9 at 10"},
		"a total replaces":                     {leaderboard.Sum, []step{{activity, 5, 10}, {total, 2, 20}, {activity, 1, 15}}, "3 at 20"},
		"a total of the same time replaces":    {leaderboard.Max, []step{{activity, 5, 10}, {total, 2, 10}}, "2 at 10"},
		"a stale total does not":               {leaderboard.Sum, []step{{activity, 5, 10}, {total, 2, 9}}, "5 at 10"},
		"the first total stands":               {leaderboard.Sum, []step{{total, 2, 9}}, "2 at 9"},
		"an enrolled user appears with 0":      {leaderboard.Sum, []step{{enrol, 77, 9}}, "0 at 9"},
		"a present user stays as is":           {leaderboard.Sum, []step{{activity, 5, 10}, {enrol, 0, 99}}, "5 at 10"},
		"a user who withdraws goes":            {leaderboard.Sum, []step{{activity, 5, 10}, {withdraw, 0, 1}}, ""},
		"and begins anew":                      {leaderboard.Sum, []step{{activity, 5, 10}, {withdraw, 0, 99}, {activity, 2, 3}}, "2 at 3"},
		"a user who never came withdraws":      {leaderboard.Sum, []step{{withdraw, 0, 99}}, ""},
		"the first negative maximum stands":    {leaderboard.Max, []step{{activity, -3, 1}}, "-3 at 1"},
		"a withdrawn time is forgotten, total": {leaderboard.Latest, []step{{activity, 5, 50}, {withdraw, 0, 51}, {total, 4, 20}}, "4 at 20"},
	} {
		b := newBoardFold()
		for i, s := range c.steps {
			b.take(placed{Record: leaderboard.Record{
				Published: leaderboard.Millis(1000 - i), Rule: leaderboard.Rule{Aggregate: c.how}, Type: s.kind, UserID: 4, Value: s.value, Time: s.at,
			}})
		}
		got := ""
		for e := range b.each {
			got += fmt.Sprintf("%d at %d", int64(e.Value), int64(e.LastActivity))
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if b.synced != 1000 || b.records != len(c.steps) {
			t.Errorf("%s: synced %d, %d records", name, b.synced, b.records)
		}
	}
}

func TestEraseTakesAUserOffTheBoardsOfTheOrganisation(t *testing.T) {
	s := newShardFold(nil)
	take := func(org leaderboard.OrgID, rule leaderboard.TargetRuleID, user leaderboard.UserID, kind leaderboard.ActivityType) {
		board := leaderboard.Board{Org: org, Group: 1, Rule: rule, Period: 1}
		s.take(placed{Record: leaderboard.Record{Board: board, Type: kind, UserID: user, Value: 1, Rule: leaderboard.Rule{Aggregate: leaderboard.Sum}}})
	}
	for _, user := range []leaderboard.UserID{5, 6} {
		take(1, 1, user, leaderboard.TypeActivity)
		take(1, 2, user, leaderboard.TypeEnrol)
		take(2, 1, user, leaderboard.TypeActivity)
	}
	s.take(placed{Record: leaderboard.Record{Board: leaderboard.Board{Org: 1}, Type: leaderboard.TypeErase, UserID: 5}})
	take(1, 1, 5, leaderboard.TypeActivity)
	var got []string
	for name, b := range s.boards {
		for e := range b.each {
			got = append(got, fmt.Sprintf("%s user %d: %s", name, e.UserID, e.Value))
		}
	}
	slices.Sort(got)
	want := []string{"1:1:1:1 user 5: 0.001", "1:1:1:1 user 6: 0.001", "1:1:2:1 user 6: 0", "2:1:1:1 user 5: 0.001", "2:1:1:1 user 6: 0.001"}
	if !slices.Equal(got, want) || len(s.boards) != 3 {
		t.Errorf("the boards hold %q, want %q", got, want)
	}
}

// TestPartitionsAreMergedByPublishTime publishes in three partitions, one of which
// has a clock that goes back.
func TestPartitionsAreMergedByPublishTime(t *testing.T) {
	partitions := [][]leaderboard.Millis{{1, 5, 9}, {2, 3, 10, 4}, {}, {6}}
	streams := make([]<-chan []placed, len(partitions))
	for i, published := range partitions {
		stream := make(chan []placed, len(published)+1)
		stream <- nil
		for _, at := range published {
			stream <- []placed{{partition: i, Record: leaderboard.Record{Published: at}}}
		}
		close(stream)
		streams[i] = stream
	}
	var got []string
	for p := range merged(streams) {
		got = append(got, fmt.Sprintf("%d/%d", p.partition, p.Published))
	}
	if want := []string{"0/1", "1/2", "1/3", "0/5", "3/6", "0/9", "1/10", "1/4"}; !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
}

func TestRepeatsOfAnEvent(t *testing.T) {
	const window = 1000
	s := newSightings(window)
	look := func(id string, user leaderboard.UserID, published leaderboard.Millis) repeat {
		return s.look(&leaderboard.Record{EventID: id, UserID: user, Published: published})
	}
	for i, c := range []struct {
		id        string
		user      leaderboard.UserID
		published leaderboard.Millis
		want      repeat
	}{
		{"a", 1, 5000, firstTime},
		{"a", 1, 5000 + window, sameEvent},
		{"a", 1, 5000 - window, sameEvent},
		{"a", 2, 5000, firstTime},
		{"", 1, 5000, firstTime},
		{"", 1, 5000, firstTime},
		{"a", 1, 5001 + window, firstTime},
		{"a", 1, 5002 + 2*window, firstTime},
		{"a", 1, 5002 + 2*window, sameEvent},
	} {
		if got := look(c.id, c.user, c.published); got != c.want {
			t.Errorf("record %d: %v, want %v", i, got, c.want)
		}
	}
	others := func(n int) {
		for range n {
			look(fmt.Sprint("other ", s.count), 1, 9000)
		}
	}
	look("b", 1, 9000)
	others(surelySeen - 1)
	if got := look("b", 1, 9000); got != sameEvent {
		t.Errorf("after %d others an event is %v", surelySeen-1, got)
	}
	others(1)
	if got := look("b", 1, 9000); got != lateRepeat {
		t.Errorf("after %d others an event is %v", surelySeen, got)
	}
	others(surelyForgotten)
	if got := look("b", 1, 9000); got != firstTime {
		t.Errorf("after more than %d others an event is %v", surelyForgotten, got)
	}
	others(3 * surelyForgotten)
	if len(s.events) > surelyForgotten || len(s.order) > surelyForgotten {
		t.Errorf("%d events are remembered, %d in order", len(s.events), len(s.order))
	}
	s = newSightings(0)
	for range 2 {
		if got := look("c", 1, 9000); got != firstTime {
			t.Errorf("without a window an event is %v", got)
		}
	}
}
