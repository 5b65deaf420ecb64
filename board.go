package leaderboard

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// The ids of the API. TargetGroupID is unique over all organisations,
// TargetRuleID and PeriodID within their group. All are positive.
type (
	OrgID         int64
	UserID        int64
	TargetGroupID int64
	TargetRuleID  int64
	PeriodID      int64
)

// Board names one leaderboard: a target rule in one period.
type Board struct {
	Org    OrgID
	Group  TargetGroupID
	Rule   TargetRuleID
	Period PeriodID
}

// String is the board's name in Redis keys: org:group:rule:period.
func (b Board) String() string { return string(b.append(make([]byte, 0, 48))) }

func (b Board) append(buf []byte) []byte {
	buf = strconv.AppendInt(buf, int64(b.Org), 10)
	buf = append(buf, ':')
	buf = strconv.AppendInt(buf, int64(b.Group), 10)
	buf = append(buf, ':')
	buf = strconv.AppendInt(buf, int64(b.Rule), 10)
	buf = append(buf, ':')
	return strconv.AppendInt(buf, int64(b.Period), 10)
}

// Compare orders boards by their ids.
func (b Board) Compare(other Board) int {
	return cmp.Or(cmp.Compare(b.Org, other.Org), cmp.Compare(b.Group, other.Group), cmp.Compare(b.Rule, other.Rule), cmp.Compare(b.Period, other.Period))
}

// ParseBoard is the inverse of [Board.String].
func ParseBoard(s string) (Board, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 4 {
		return Board{}, fmt.Errorf("board %q is not org:group:rule:period", s)
	}
	var ids [4]int64
	for i, p := range parts {
		id, err := strconv.ParseInt(p, 10, 64)
		if err != nil || id <= 0 {
			return Board{}, fmt.Errorf("board %q is not org:group:rule:period", s)
		}
		ids[i] = id
	}
	return Board{OrgID(ids[0]), TargetGroupID(ids[1]), TargetRuleID(ids[2]), PeriodID(ids[3])}, nil
}

// Entry is one user's place on a board.
type Entry struct {
	UserID UserID
	Value  Value
	// LastActivity is the latest activity time applied to the entry.
	LastActivity Millis
}

// Order says which value is first on a board.
type Order string

// The orders.
const (
	Descending Order = "desc"
	Ascending  Order = "asc"
)

// Aggregate says how the values of a user's activities become one.
type Aggregate string

// The aggregates.
const (
	Sum    Aggregate = "sum"
	Max    Aggregate = "max"
	Min    Aggregate = "min"
	Latest Aggregate = "latest"
)

// Rule is all of the catalog that decides what is on a board: how it aggregates
// and orders, and the period's span, from Start up to but not including End.
type Rule struct {
	Aggregate  Aggregate
	Order      Order
	Start, End Millis
}

// String is the rule as Redis keeps it: "sum desc 1667241000000 1669833000000".
func (r Rule) String() string {
	return fmt.Sprintf("%s %s %d %d", r.Aggregate, r.Order, r.Start, r.End)
}

// ParseRule is the inverse of [Rule.String].
func ParseRule(s string) (Rule, error) {
	aggregate, rest, _ := strings.Cut(s, " ")
	order, rest, _ := strings.Cut(rest, " ")
	startText, endText, _ := strings.Cut(rest, " ")
	start, startErr := strconv.ParseInt(startText, 10, 64)
	end, endErr := strconv.ParseInt(endText, 10, 64)
	if err := cmp.Or(startErr, endErr); err != nil {
		return Rule{}, fmt.Errorf("rule %q is not aggregate, order, start, end: %w", s, err)
	}
	return Rule{Aggregate: Aggregate(aggregate), Order: Order(order), Start: Millis(start), End: Millis(end)}, nil
}
