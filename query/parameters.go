package query

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"

	"leaderboard"
)

// The limits of pages, and what a client is told when it goes over them.
const (
	defaultPageSize  = 10
	defaultPageLimit = 1
	maxPageSize      = 100
	maxPageLimit     = 100
	// maxPageOffset is further than any board reaches, and far from an overflow.
	maxPageOffset = math.MaxInt32

	negativeOffset = "Page offset can not be in negative, fetching the first page by default"
	cappedSize     = "Page Size can not be more than 100, capping the page size to 100"
	cappedLimit    = "Page Limit can not be more than 100, capping the page limit to 100"
)

// boardParameters name a board.
type boardParameters struct {
	group leaderboard.TargetGroupID
	rule  leaderboard.TargetRuleID
	// period is nil when the request names none.
	period *leaderboard.PeriodID
}

// topParameters are the parameters of the ranked list.
type topParameters struct {
	boardParameters
	pages pages
}

// pages are a part of a ranked list: offset counts pages from 0, size is entries a
// page, limit is the number of pages.
type pages struct {
	offset, size, limit int64
}

// first and last are the entries of the pages, counted from 0. A page past every
// board's end keeps its number in the answer.
func (p pages) first() int64 { return min(p.offset, maxPageOffset) * p.size }
func (p pages) last() int64  { return p.first() + p.limit*p.size - 1 }

// capped brings pages into their limits, with a warning for each.
func (p pages) capped() (capped pages, warnings []string) {
	if p.offset < 0 {
		p.offset = 0
		warnings = append(warnings, negativeOffset)
	}
	if p.size > maxPageSize {
		p.size = maxPageSize
		warnings = append(warnings, cappedSize)
	}
	if p.limit > maxPageLimit {
		p.limit = maxPageLimit
		warnings = append(warnings, cappedLimit)
	}
	return p, warnings
}

func parseTopParameters(r *http.Request) (*topParameters, error) {
	in, err := newNumbers(r)
	if err != nil {
		return nil, err
	}
	p := &topParameters{boardParameters: in.board(r)}
	p.pages = pages{
		offset: in.parameter("pageOffset", 0),
		size:   in.atLeastOne("pageSize", defaultPageSize),
		limit:  in.atLeastOne("pageLimit", defaultPageLimit),
	}
	if in.err != nil {
		return nil, in.err
	}
	return p, nil
}

// numbers reads whole numbers and keeps the first mistake.
type numbers struct {
	values url.Values
	err    error
}

func newNumbers(r *http.Request) (*numbers, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalidInput("the query string is malformed")
	}
	return &numbers{values: values}, nil
}

// board is the one that the request names.
func (in *numbers) board(r *http.Request) boardParameters {
	group := in.parse("targetGroupId", r.PathValue("targetGroupId"))
	if in.values.Get("targetId") == "" {
		in.fail("targetId is missing")
	}
	p := boardParameters{
		group: leaderboard.TargetGroupID(group),
		rule:  leaderboard.TargetRuleID(in.parameter("targetId", 0)),
	}
	if in.values.Get("periodId") != "" {
		period := leaderboard.PeriodID(in.parameter("periodId", 0))
		p.period = &period
	}
	return p
}

func (in *numbers) fail(format string, args ...any) {
	if in.err == nil {
		in.err = invalidInput(format, args...)
	}
}

// parameter is the number of that name in the query; an empty one counts as absent.
func (in *numbers) parameter(name string, absent int64) int64 {
	text := in.values.Get(name)
	if text == "" {
		return absent
	}
	return in.parse(name, text)
}

func (in *numbers) notNegative(name string, absent int64) int64 {
	n := in.parameter(name, absent)
	if n < 0 {
		in.fail("%s must not be negative", name)
	}
	return n
}

func (in *numbers) atLeastOne(name string, absent int64) int64 {
	n := in.parameter(name, absent)
	if n < 1 {
		in.fail("%s must be at least 1", name)
	}
	return n
}

// parse reads text; a number that is too great for 64 bits is taken as the
// greatest: it is a whole number, and no id or page is that far.
func (in *numbers) parse(name, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		in.fail("%s must be a whole number", name)
	}
	return n
}

// parseUser reads the userId of the request's path.
func parseUser(r *http.Request) (leaderboard.UserID, error) {
	user, err := strconv.ParseInt(r.PathValue("userId"), 10, 64)
	if err != nil || user <= 0 {
		return 0, leaderboard.Errorf(leaderboard.CodeInvalidUserID, "Invalid userId")
	}
	return leaderboard.UserID(user), nil
}

func invalidInput(format string, args ...any) error {
	return leaderboard.Errorf(leaderboard.CodeInvalidInput, "Invalid input: "+format, args...)
}
