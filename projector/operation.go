package projector

import "leaderboard"

// kind is what an operation does to a user's entry, as the script knows it.
type kind string

const (
	kindSum      kind = "sum"
	kindMax      kind = "max"
	kindMin      kind = "min"
	kindLatest   kind = "latest"
	kindTotal    kind = "total"
	kindEnrol    kind = "enrol"
	kindWithdraw kind = "withdraw"
)

// operation is one or several records of one user, merged.
type operation struct {
	kind  kind
	user  leaderboard.UserID
	time  leaderboard.Millis
	value leaderboard.Value
	// records is how many records it stands for.
	records int
}

func operationOf(r *leaderboard.Record) operation {
	o := operation{user: r.UserID, time: r.Time, value: r.Value, records: 1}
	switch r.Type {
	case leaderboard.TypeTotal:
		o.kind = kindTotal
	case leaderboard.TypeEnrol:
		o.kind, o.value = kindEnrol, 0
	case leaderboard.TypeWithdraw:
		o.kind = kindWithdraw
	default:
		o.kind = kind(r.Aggregate)
	}
	return o
}

// merge makes o stand for o and next, its successor, and tells whether it could:
// only where the merged operation does to every entry what the two do one after
// the other. It also tells how many of the records of next are stale totals
// whatever the entry is.
func (o *operation) merge(next operation) (merged bool, stale int) {
	if o.kind != next.kind {
		return false, 0
	}
	switch o.kind {
	case kindSum:
		// Sums stop at the ends of the range: only steps in one direction can
		// be taken at once.
		if (o.value < 0) != (next.value < 0) || o.value+next.value > leaderboard.MaxValue || o.value+next.value < -leaderboard.MaxValue {
			return false, 0
		}
		o.value += next.value
		o.time = max(o.time, next.time)
	case kindMax:
		o.value = max(o.value, next.value)
		o.time = max(o.time, next.time)
	case kindMin:
		o.value = min(o.value, next.value)
		o.time = max(o.time, next.time)
	case kindTotal, kindLatest:
		if next.time < o.time {
			// Either o was applied and is later, or the entry is later than o.
			if o.kind == kindTotal {
				return true, next.records
			}
			break
		}
		o.value, o.time = next.value, next.time
	case kindEnrol, kindWithdraw:
		// The second one finds what the first one left.
	}
	o.records += next.records
	return true, 0
}
