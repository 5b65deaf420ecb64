package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"leaderboard"
	"leaderboard/test/oracle"
)

const (
	org = 50711
	// A user of keyedGroup has all records in one partition.
	keyedGroup = 1
	// A user of scatteredGroup has records in all partitions, so that their order
	// is nobody's; its boards have only what does not depend on it.
	scatteredGroup = 2

	partitions = 4
	users      = 250
)

var (
	months = []time.Time{
		time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, time.February, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC),
	}
	aggregates = map[leaderboard.TargetGroupID][]string{
		keyedGroup:     {"sum", "max", "min", "latest"},
		scatteredGroup: {"sum", "max", "min"},
	}
)

// ruleOf makes a rule's number say how its boards aggregate and order.
func ruleOf(b leaderboard.Board) oracle.Rule {
	n := int(b.Rule) - 1
	return oracle.Rule{Aggregate: aggregates[b.Group][n/2], Ascending: n%2 == 1}
}

// boards are those that the stream is about.
func boards() []leaderboard.Board {
	var all []leaderboard.Board
	for _, group := range []leaderboard.TargetGroupID{keyedGroup, scatteredGroup} {
		for rule := range 2 * len(aggregates[group]) {
			for period := range len(months) - 1 {
				all = append(all, leaderboard.Board{Org: org, Group: group, Rule: leaderboard.TargetRuleID(rule + 1), Period: leaderboard.PeriodID(period + 1)})
			}
		}
	}
	return all
}

func newOracle() *oracle.Oracle {
	rules := map[leaderboard.Board]oracle.Rule{}
	for _, b := range boards() {
		rules[b] = ruleOf(b)
	}
	return oracle.New(rules)
}

// catalog is the file for `leaderboard catalog apply`.
func catalog() string {
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "orgs:\n  - {orgId: %d, name: Acme, timeZone: UTC}\ntargetGroups:\n", org)
	for group := range leaderboard.TargetGroupID(scatteredGroup) {
		group++
		fmt.Fprintf(&yaml, "  - targetGroupId: %d\n    orgId: %d\n    name: Group\n    periods:\n", group, org)
		for i := range len(months) - 1 {
			fmt.Fprintf(&yaml, "      - {periodId: %d, refCode: p, start: %q, end: %q}\n", i+1, months[i].Format(time.RFC3339), months[i+1].Format(time.RFC3339))
		}
		yaml.WriteString("    targets:\n")
		for rule := range leaderboard.TargetRuleID(2 * len(aggregates[group])) {
			order, r := "desc", ruleOf(leaderboard.Board{Group: group, Rule: rule + 1})
			if r.Ascending {
				order = "asc"
			}
			fmt.Fprintf(&yaml, "      - {targetRuleId: %d, name: t, aggregate: %s, order: %s}\n", rule+1, r.Aggregate, order)
		}
	}
	return yaml.String()
}

// record is one of the stream: an activity, or poison.
type record struct {
	activity oracle.Activity
	poison   bool
	// hasEventID says that Redis can tell the record from its copy.
	hasEventID bool
	key, value string
	// place says which partition takes it.
	place uint32
}

// randomStream makes records of all types. Few users, few times and few values
// make ties and stale totals common; some values lie at the ends of the range.
func randomStream(random *rand.Rand, n int) []record {
	all := boards()
	records := make([]record, n)
	for i := range records {
		a := oracle.Activity{
			Board:     all[random.IntN(len(all))],
			User:      1 + random.Int64N(users),
			Published: months[len(months)-1].UnixMilli() + int64(i),
		}
		month := months[a.Board.Period-1]
		a.Time = month.Add(time.Duration(random.IntN(60)) * 11 * time.Hour).UnixMilli()
		place := uint32(a.User)
		if a.Board.Group == keyedGroup {
			a.Type = [...]string{"activity", "activity", "activity", "activity", "activity", "total", "total", "enrol", "withdraw"}[random.IntN(9)]
			a.Milli = keyedValue(random)
		} else {
			a.Type = "activity"
			a.Milli = random.Int64N(20_000) - 5_000
			place = random.Uint32()
		}
		records[i] = newRecord(random, a, place)
	}
	return records
}

func keyedValue(random *rand.Rand) int64 {
	switch random.IntN(30) {
	case 0:
		return int64(leaderboard.MaxValue) - random.Int64N(3)
	case 1:
		return -int64(leaderboard.MaxValue) + random.Int64N(3)
	default:
		return random.Int64N(20_000) - 5_000
	}
}

func newRecord(random *rand.Rand, a oracle.Activity, place uint32) record {
	r := record{activity: a, key: fmt.Sprintf("%d:%d", org, a.User), place: place}
	if random.IntN(100) == 0 {
		r.poison, r.value = true, poisons[random.IntN(len(poisons))]
		return r
	}
	optional := ""
	if random.IntN(2) == 0 { // else the time says which
		optional += fmt.Sprintf(`"periodId":%d,`, a.Board.Period)
	}
	if random.IntN(2) == 0 { // else nothing but the fence keeps the record from counting twice
		r.hasEventID = true
		optional += fmt.Sprintf(`"eventId":"%016x",`, random.Uint64())
	}
	r.value = fmt.Sprintf(`{%s"type":%q,"orgId":%d,"userId":%d,"targetGroupId":%d,"targetRuleId":%d,"value":%q,"activityTime":%d}`,
		optional, a.Type, org, a.User, a.Board.Group, a.Board.Rule, decimal(a.Milli), a.Time)
	return r
}

// decimal writes thousandths.
func decimal(milli int64) string {
	sign := ""
	if milli < 0 {
		sign, milli = "-", -milli
	}
	return fmt.Sprintf("%s%d.%03d", sign, milli/1000, milli%1000)
}

// poisons are no activities, each for another reason.
var poisons = []string{
	``,
	`{"type":`,
	`[1,2,3]`,
	`{"orgId":50711,"targetGroupId":1,"targetRuleId":1,"activityTime":1704067200000}`,
	`{"orgId":50711,"userId":"nobody","targetGroupId":1,"targetRuleId":1,"activityTime":1704067200000}`,
	`{"orgId":50711,"userId":1,"targetGroupId":1,"targetRuleId":1,"value":"9007199254740.992","activityTime":1704067200000}`,
	`{"orgId":50711,"userId":1,"targetGroupId":999,"targetRuleId":1,"activityTime":1704067200000}`,
	`{"orgId":50711,"userId":1,"targetGroupId":1,"targetRuleId":999,"activityTime":1704067200000}`,
	`{"orgId":50711,"userId":1,"targetGroupId":1,"targetRuleId":1,"periodId":999,"activityTime":1704067200000}`,
	`{"orgId":50711,"userId":1,"targetGroupId":1,"targetRuleId":1,"activityTime":"2023-01-01T00:00:00Z"}`,
}
