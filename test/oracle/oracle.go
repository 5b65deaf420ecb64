// Package oracle says what the boards should be: a map and a sort, with nothing of
// the code under test but its names for things.
package oracle

import (
	"cmp"
	"math/big"
	"slices"

	"leaderboard"
)

// Rule is how a board aggregates and orders.
type Rule struct {
	Aggregate string
	Ascending bool
}

// Activity is one event, in the order of the log.
type Activity struct {
	Type      string
	Board     leaderboard.Board
	User      int64
	Milli     int64 // value in thousandths
	Time      int64 // ms since 1970
	Published int64 // ms since 1970
	EventID   string
}

// Entry is one line of a board.
type Entry struct {
	User, Milli, Time int64
}

// Oracle folds activities.
type Oracle struct {
	rules  map[leaderboard.Board]Rule
	boards map[leaderboard.Board]map[int64]Entry
	synced map[leaderboard.Board]int64
	// counted is when each event was published that counted last.
	counted map[event]int64
	window  int64 // ms
}

type event struct {
	board leaderboard.Board
	user  int64
	id    string
}

// New makes an oracle for boards of the given rules.
func New(rules map[leaderboard.Board]Rule) *Oracle { return NewDeduping(rules, 0) }

// NewDeduping makes one that passes over an event that was counted no longer than
// the window (in ms) before. Events are told apart by board, user and id.
func NewDeduping(rules map[leaderboard.Board]Rule, window int64) *Oracle {
	return &Oracle{
		counted: map[event]int64{},
		window:  window,
		rules:   rules,
		boards:  map[leaderboard.Board]map[int64]Entry{},
		synced:  map[leaderboard.Board]int64{},
	}
}

// Fold takes the next activity.
func (o *Oracle) Fold(a Activity) {
	if a.EventID != "" && o.window > 0 {
		e := event{a.Board, a.User, a.EventID}
		if before, known := o.counted[e]; known && a.Published-before <= o.window {
			return
		}
		o.counted[e] = a.Published
	}
	if o.boards[a.Board] == nil {
		o.boards[a.Board] = map[int64]Entry{}
	}
	o.synced[a.Board] = max(o.synced[a.Board], a.Published)
	entry, there := o.boards[a.Board][a.User]
	how := a.Type
	if how == "activity" {
		how = o.rules[a.Board].Aggregate
	}
	switch {
	case how == "withdraw":
		delete(o.boards[a.Board], a.User)
		return
	case how == "enrol" && there:
		return
	case how == "enrol":
		entry = Entry{User: a.User, Time: a.Time}
	case !there:
		entry = Entry{User: a.User, Milli: a.Milli, Time: a.Time}
	case how == "total" || how == "latest":
		if a.Time < entry.Time {
			return
		}
		entry.Milli, entry.Time = a.Milli, a.Time
	default:
		switch how {
		case "sum":
			entry.Milli = add(entry.Milli, a.Milli)
		case "max":
			if a.Milli > entry.Milli {
				entry.Milli = a.Milli
			}
		case "min":
			if a.Milli < entry.Milli {
				entry.Milli = a.Milli
			}
		}
		if a.Time > entry.Time {
			entry.Time = a.Time
		}
	}
	o.boards[a.Board][a.User] = entry
}

// add stops at the ends of the range.
func add(a, b int64) int64 {
	limit := big.NewInt(9_007_199_254_740_991)
	sum := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
	if sum.CmpAbs(limit) > 0 {
		return limit.Int64() * int64(sum.Sign())
	}
	return sum.Int64()
}

// Forget begins anew.
func (o *Oracle) Forget() {
	clear(o.boards)
	clear(o.synced)
	clear(o.counted)
}

// Boards are the boards that any activity concerned.
func (o *Oracle) Boards() []leaderboard.Board {
	var boards []leaderboard.Board
	for b := range o.boards {
		boards = append(boards, b)
	}
	return boards
}

// Synced is the latest publish time of the board's activities.
func (o *Oracle) Synced(b leaderboard.Board) int64 { return o.synced[b] }

// Ranking is the board from its first entry to its last.
func (o *Oracle) Ranking(b leaderboard.Board) []Entry {
	entries := []Entry{}
	for _, e := range o.boards[b] {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(x, y Entry) int {
		byValue := cmp.Compare(y.Milli, x.Milli)
		if o.rules[b].Ascending {
			byValue = -byValue
		}
		return cmp.Or(byValue, cmp.Compare(x.Time, y.Time), cmp.Compare(x.User, y.User))
	})
	return entries
}
