package projector

import (
	"math/rand/v2"
	"testing"

	"leaderboard"
)

// state is a user's entry in the plainest form.
type state struct {
	there bool
	value leaderboard.Value
	time  leaderboard.Millis
}

// after does one operation to an entry; stale tells a total that was too old.
func (s state) after(o operation) (next state, stale bool) {
	clamp := func(v leaderboard.Value) leaderboard.Value {
		return min(max(v, -leaderboard.MaxValue), leaderboard.MaxValue)
	}
	switch {
	case o.kind == kindWithdraw:
		return state{}, false
	case !s.there:
		return state{true, o.value, o.time}, false
	case o.kind == kindEnrol:
		return s, false
	case o.kind == kindTotal || o.kind == kindLatest:
		if s.time > o.time {
			return s, o.kind == kindTotal
		}
		return state{true, o.value, o.time}, false
	case o.kind == kindSum:
		s.value = clamp(s.value + o.value)
	case o.kind == kindMax:
		s.value = max(s.value, o.value)
	case o.kind == kindMin:
		s.value = min(s.value, o.value)
	}
	s.time = max(s.time, o.time)
	return s, false
}

// TestMergeIsExact merges random pairs and does the pair and its merger to many
// entries: the results, and the count of stale totals, must be the same.
func TestMergeIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	kinds := []kind{kindSum, kindMax, kindMin, kindLatest, kindTotal, kindEnrol, kindWithdraw}
	value := func() leaderboard.Value {
		switch random.IntN(4) {
		case 0:
			return leaderboard.MaxValue - leaderboard.Value(random.IntN(3))
		case 1:
			return -leaderboard.MaxValue + leaderboard.Value(random.IntN(3))
		default:
			return leaderboard.Value(random.IntN(7) - 3)
		}
	}
	merged := map[kind]int{}
	for range 200_000 {
		k := kinds[random.IntN(len(kinds))]
		anyOf := func(k kind) operation {
			o := operation{kind: k, user: 1, time: leaderboard.Millis(random.IntN(5)), value: value(), records: 1}
			if k == kindEnrol {
				o.value = 0
			}
			return o
		}
		first, second := anyOf(k), anyOf(k)
		if random.IntN(10) == 0 {
			second = anyOf(kinds[random.IntN(len(kinds))])
		}
		both := first
		ok, staleAnyway := both.merge(second)
		if !ok {
			if both != first {
				t.Fatalf("merge refused and changed %+v to %+v", first, both)
			}
			continue
		}
		merged[k]++
		before := state{there: random.IntN(4) > 0, value: value(), time: leaderboard.Millis(random.IntN(5))}
		if !before.there {
			before = state{}
		}
		between, stale1 := before.after(first)
		want, stale2 := between.after(second)
		got, stale := before.after(both)
		if got != want {
			t.Fatalf("%+v then %+v makes %+v of %+v, merged %+v it makes %+v", first, second, want, before, both, got)
		}
		wantStale, gotStale := 0, staleAnyway
		for _, s := range []bool{stale1, stale2} {
			if s {
				wantStale++
			}
		}
		if stale {
			gotStale += both.records
		}
		// A total that a later one of the same batch replaces counts as applied.
		if gotStale > wantStale || (gotStale < wantStale && !stale1) {
			t.Fatalf("%+v then %+v on %+v: %d stale, merged %d", first, second, before, wantStale, gotStale)
		}
	}
	for _, k := range kinds {
		if merged[k] == 0 {
			t.Errorf("%s was never merged", k)
		}
	}
}

func TestCutsFollowEachOther(t *testing.T) {
	var records []leaderboard.Record
	for i := range 3 * maxCutOperations {
		records = append(records, leaderboard.Record{
			Offset: 100 + int64(2*i), UserID: leaderboard.UserID(1 + i), Type: leaderboard.TypeActivity, Rule: leaderboard.Rule{Aggregate: leaderboard.Sum},
		})
	}
	const fence, end = 90, 10_000
	at, counted := int64(fence), 0
	all := cuts(fence, end, records, 0)
	for _, c := range all {
		if c.from != at || c.to <= c.from {
			t.Fatalf("a cut goes from %d to %d after one that ends at %d", c.from, c.to, at)
		}
		if c.weight > maxCutOperations+operationsPerBoard {
			t.Errorf("a cut has %d operations", c.weight)
		}
		for _, r := range records[counted : counted+c.records] {
			if r.Offset < c.from || r.Offset >= c.to {
				t.Errorf("offset %d is not in the cut from %d to %d", r.Offset, c.from, c.to)
			}
		}
		at, counted = c.to, counted+c.records
	}
	if at != end || counted != len(records) || len(all) < 3 {
		t.Errorf("%d cuts end at %d with %d records", len(all), at, counted)
	}
	if none := cuts(fence, end, nil, 0); none != nil {
		t.Errorf("no record makes %d cuts", len(none))
	}
}
