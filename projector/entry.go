package projector

import "leaderboard"

// entry is a user's entry on a board. The zero entry is that of a user who is not
// on it.
type entry struct {
	time    leaderboard.Millis
	value   leaderboard.Value
	onBoard bool
}

// fold brings a record to the entry. It tells whether the record is a total that
// came after a later one.
func (e *entry) fold(r *leaderboard.Record) (stale bool) {
	switch {
	case r.Type == leaderboard.TypeWithdraw:
		*e = entry{}
	case r.Type == leaderboard.TypeEnrol:
		if !e.onBoard {
			*e = entry{time: r.Time, onBoard: true}
		}
	case !e.onBoard:
		*e = entry{r.Time, r.Value, true}
	case r.Type == leaderboard.TypeTotal || r.Aggregate == leaderboard.Latest:
		if r.Time < e.time {
			return r.Type == leaderboard.TypeTotal
		}
		e.time, e.value = r.Time, r.Value
	default:
		e.time = max(e.time, r.Time)
		e.value = combined(r.Aggregate, e.value, r.Value)
	}
	return false
}

// combined is what an aggregate makes of two values. Sums stay inside the range in
// which thousandths are exact.
func combined(how leaderboard.Aggregate, present, value leaderboard.Value) leaderboard.Value {
	switch how {
	case leaderboard.Max:
		return max(present, value)
	case leaderboard.Min:
		return min(present, value)
	default:
		return max(-leaderboard.MaxValue, min(leaderboard.MaxValue, present+value))
	}
}
