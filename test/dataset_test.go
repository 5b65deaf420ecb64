package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leaderboard"
	"leaderboard/test/oracle"
)

// dataset is a catalog, a log to publish, and the boards that come of it.
type dataset struct {
	name       string
	org        string
	catalog    string // file
	activities string // file
	records    int
	boards     []expectedBoard
}

// expectedBoard is a board as an independent fold has it; entries are
// [userId, achievedValue, lastActivityTime in ms].
type expectedBoard struct {
	Group  int64 `json:"targetGroupId"`
	Target int64 `json:"targetId"`
	Period int64 `json:"periodId"`
	Total  int   `json:"total"`
	Top    [][3]json.Number
	Bottom [][4]json.Number // with the rank first
}

// sharedData is where the real purchases may lie; the tests do without them.
var sharedData = filepath.Join("..", "..", "shared", "data")

// datasets are the made-up purchases and, where they are, the real ones.
func datasets(t *testing.T) []dataset {
	t.Helper()
	all := []dataset{madeUpPurchases(t)}
	expected, err := os.ReadFile(filepath.Join(sharedData, "cdnow-sample-expected.json"))
	if err != nil {
		t.Log("the real purchases are not here, going on with the made-up ones only")
		return all
	}
	cdnow := dataset{
		name:       "cdnow",
		org:        "7001",
		catalog:    absolute(t, filepath.Join(sharedData, "cdnow-sample-catalog.yaml")),
		activities: absolute(t, filepath.Join(sharedData, "cdnow-sample-activities.jsonl")),
	}
	if err := json.Unmarshal(expected, &cdnow.boards); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(cdnow.activities)
	if err != nil {
		t.Fatal(err)
	}
	cdnow.records = strings.Count(string(log), "\n")
	return append(all, cdnow)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// madeUpPurchases makes purchases of the shape of the real ones: days without a
// time of day, few users, so that ties are everywhere; and withdrawals, totals and
// enrolments besides.
func madeUpPurchases(t *testing.T) dataset {
	t.Helper()
	dir := t.TempDir()
	d := dataset{name: "made up", org: "7002", catalog: filepath.Join(dir, "catalog.yaml"), activities: filepath.Join(dir, "activities.jsonl")}
	const org, group, months = 7002, 901, 4
	start := func(month int) time.Time { return time.Date(2024, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC) }
	targets := []oracle.Rule{{Aggregate: "sum"}, {Aggregate: "max"}, {Aggregate: "min", Ascending: true}, {Aggregate: "latest"}}

	var yaml strings.Builder
	fmt.Fprintf(&yaml, "orgs:\n  - {orgId: %d, name: Made up, timeZone: Europe/Paris}\ntargetGroups:\n  - targetGroupId: %d\n    orgId: %d\n    name: Monthly\n    periods:\n", org, group, org)
	for month := range months {
		fmt.Fprintf(&yaml, "      - {periodId: %d, refCode: m%d, start: %q, end: %q}\n", month+1, month+1, start(month).Format(time.RFC3339), start(month+1).Format(time.RFC3339))
	}
	yaml.WriteString("    targets:\n")
	rules := map[leaderboard.Board]oracle.Rule{}
	for i, r := range targets {
		order := "desc"
		if r.Ascending {
			order = "asc"
		}
		fmt.Fprintf(&yaml, "      - {targetRuleId: %d, name: t%d, aggregate: %s, order: %s}\n", i+1, i+1, r.Aggregate, order)
		for month := range months {
			rules[leaderboard.Board{Org: org, Group: group, Rule: leaderboard.TargetRuleID(i + 1), Period: leaderboard.PeriodID(month + 1)}] = r
		}
	}
	writeFile(t, d.catalog, yaml.String())

	random := rand.New(rand.NewPCG(1, 2))
	want := oracle.New(rules)
	var log strings.Builder
	types := []string{"activity", "activity", "activity", "activity", "total", "enrol", "withdraw"}
	for range 20_000 {
		month := random.IntN(months)
		a := oracle.Activity{
			Type:  types[random.IntN(len(types))],
			Board: leaderboard.Board{Org: org, Group: group, Rule: leaderboard.TargetRuleID(1 + random.IntN(len(targets))), Period: leaderboard.PeriodID(month + 1)},
			User:  1 + random.Int64N(700),
			Milli: random.Int64N(50) * 500,
			Time:  start(month).AddDate(0, 0, random.IntN(28)).UnixMilli(),
		}
		want.Fold(a)
		fmt.Fprintf(&log, `{"type":%q,"orgId":%d,"userId":%d,"targetGroupId":%d,"targetRuleId":%d,"value":%d.%03d,"activityTime":%d}`+"\n",
			a.Type, org, a.User, group, a.Board.Rule, a.Milli/1000, a.Milli%1000, a.Time)
		d.records++
	}
	writeFile(t, d.activities, log.String())
	for _, b := range want.Boards() {
		d.boards = append(d.boards, expectedOf(b, want.Ranking(b)))
	}
	return d
}

func expectedOf(b leaderboard.Board, ranking []oracle.Entry) expectedBoard {
	e := expectedBoard{Group: int64(b.Group), Target: int64(b.Rule), Period: int64(b.Period), Total: len(ranking)}
	for i, entry := range ranking {
		user, at := json.Number(fmt.Sprint(entry.User)), json.Number(fmt.Sprint(entry.Time))
		value := json.Number(fmt.Sprint(float64(entry.Milli) / 1000))
		if i < 50 {
			e.Top = append(e.Top, [3]json.Number{user, value, at})
		}
		if i >= len(ranking)-10 {
			e.Bottom = append(e.Bottom, [4]json.Number{json.Number(fmt.Sprint(i + 1)), user, value, at})
		}
	}
	return e
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
