package query

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"leaderboard"
)

// rankItem asks for the user's place on one board. Org is the caller's own when
// the request names none; period is nil when it names none.
type rankItem struct {
	org    leaderboard.OrgID
	group  leaderboard.TargetGroupID
	rule   leaderboard.TargetRuleID
	period *leaderboard.PeriodID
}

// maxItems is how many items of a request are considered.
const maxItems = 25

const tooManyItems = "Maximum number of target rules allowed is 25, only first 25 target rules will be considered"

// rankItems are the items of a request; all asks for every board of the scope instead.
type rankItems struct {
	all      bool
	items    []rankItem
	warnings []string
}

// parseRankItems reads the body: an array of items, or one item. No body, or a
// blank one, asks for every board; an empty array asks for none. Items after
// the first 25 are not looked at.
func parseRankItems(c *call, own leaderboard.OrgID) (*rankItems, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return &rankItems{all: true}, nil
	}
	return readRankItems(string(body), own)
}

// readRankItems tells a mistake in an item only when all of the body is JSON.
func readRankItems(body string, own leaderboard.OrgID) (*rankItems, error) {
	r := newJSONReader(body)
	defer r.free()
	asked := &rankItems{}
	var mistake, malformed error
	count := 0
	next := func(i int) error {
		count++
		if i >= maxItems || mistake != nil {
			_, err := r.value()
			return err
		}
		item, err := readRankItem(r, own)
		if wrong, ok := errors.AsType[itemError](err); ok {
			mistake, err = invalidInput("[%d]%s", i, wrong), nil
		}
		asked.items = append(asked.items, item)
		return err
	}
	switch {
	case r.isArray():
		malformed = r.array(next)
	case r.isObject():
		malformed = next(0)
	default:
		mistake = invalidInput("the body must be an object or an array of objects")
		_, malformed = r.value()
	}
	if malformed != nil || r.end() != nil {
		return nil, invalidInput("the body is not valid JSON")
	}
	if count > maxItems {
		asked.warnings = append(asked.warnings, tooManyItems)
	}
	return asked, mistake
}

// readBody is the body without the white space around it. It lies in the call's buffer.
func readBody(c *call) ([]byte, error) {
	if c.Body == http.NoBody {
		return nil, nil
	}
	buffer := bytes.NewBuffer(c.buffer[:0])
	_, err := buffer.ReadFrom(c.Body)
	c.buffer = buffer.Bytes()
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, leaderboard.Errorf(leaderboard.CodeBodyTooLarge, "The body is larger than the %d bytes that are allowed", tooLarge.Limit)
	}
	if err != nil {
		return nil, invalidInput("the body could not be read to its end")
	}
	body := bytes.TrimSpace(c.buffer)
	if len(body) > 0 && !isJSON(c.Header.Get("Content-Type")) {
		return nil, leaderboard.Errorf(leaderboard.CodeUnsupportedMediaType, "The body must be JSON, with Content-Type application/json")
	}
	return body, nil
}

// isJSON takes a body without a type as JSON.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// itemError says what is wrong with an item, behind the item's name.
type itemError string

func (e itemError) Error() string { return string(e) }

// readRankItem reads one item. An error other than an itemError is that of the JSON.
func readRankItem(r *jsonReader, own leaderboard.OrgID) (rankItem, error) {
	if !r.isObject() {
		_, err := r.value()
		return rankItem{}, cmp.Or(err, error(itemError(" must be an object")))
	}
	var org, group, rule, period string
	err := r.object(func(name string) error {
		value, err := r.value()
		switch {
		case strings.EqualFold(name, "orgId"):
			org = value
		case strings.EqualFold(name, "targetGroupId"):
			group = value
		case strings.EqualFold(name, "targetRuleId"):
			rule = value
		case strings.EqualFold(name, "periodId"):
			period = value
		}
		return err
	})
	id := func(name, value string) int64 {
		n, parseErr := strconv.ParseInt(withoutZeros(value), 10, 64)
		if err == nil && (parseErr != nil || n <= 0) {
			err = itemError("." + name + " must be a positive whole number")
		}
		return n
	}
	item := rankItem{org: own}
	if isGiven(org) {
		item.org = leaderboard.OrgID(id("orgId", org))
	}
	item.group = leaderboard.TargetGroupID(id("targetGroupId", group))
	item.rule = leaderboard.TargetRuleID(id("targetRuleId", rule))
	if isGiven(period) {
		period := leaderboard.PeriodID(id("periodId", period))
		item.period = &period
	}
	return item, err
}

// withoutZeros is a number without a fraction that is nothing: JSON knows no
// difference between 232.0 and 232, and some clients write all numbers so.
func withoutZeros(number string) string {
	if whole, fraction, ok := strings.Cut(number, "."); ok && strings.Trim(fraction, "0") == "" {
		return whole
	}
	return number
}

// isGiven is false for an optional field that is absent or null.
func isGiven(value string) bool { return value != "" && value != "null" }

// find checks group, leaderboard, rule and period, in this order; the warning
// says which of them is not as the item has it, and is empty when all are.
func (item *rankItem) find(catalog *leaderboard.Catalog, now leaderboard.Millis) (board leaderboard.Board, warning string) {
	group := catalog.Group(item.group)
	if group == nil || !group.Active || group.OrgID != item.org {
		return board, fmt.Sprintf("Target group id %d not found or deactivated", item.group)
	}
	if !group.LeaderboardEnabled {
		return board, fmt.Sprintf("Leaderboard is not enabled for the target group id %d", item.group)
	}
	if group.Target(item.rule) == nil {
		return board, fmt.Sprintf("Target rule id %d does not belong to target group id %d", item.rule, item.group)
	}
	period := findPeriod(group, item.period, now)
	switch {
	case period == nil && item.period == nil:
		return board, fmt.Sprintf("No active target period found for the target id %d", item.rule)
	case period == nil:
		return board, fmt.Sprintf("Target period id %d not found for the target id %d", *item.period, item.rule)
	}
	return leaderboard.Board{Org: item.org, Group: item.group, Rule: item.rule, Period: period.PeriodID}, ""
}
