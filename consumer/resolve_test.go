package consumer

import (
	"strings"
	"testing"

	"leaderboard"
)

// resolveCatalog has one group in each state, of organisation 1; organisation 2
// has its leaderboards off, and organisation 3 is not there.
func resolveCatalog(t testing.TB) *leaderboard.Catalog {
	t.Helper()
	c := leaderboard.NewCatalog()
	rest := `"periods": [{"periodId": 1, "start": "2022-11-01T00:00:00Z", "end": "2022-12-01T00:00:00Z"}],
	         "targets": [{"targetRuleId": 7, "aggregate": "min", "order": "asc"}]}`
	for key, value := range map[string]string{
		"org:1":        `{"orgId": 1, "timeZone": "UTC"}`,
		"org:2":        `{"orgId": 2, "timeZone": "UTC", "leaderboardsEnabled": false}`,
		"group:1:10":   `{"orgId": 1, "targetGroupId": 10, ` + rest,
		"group:1:11":   `{"orgId": 1, "targetGroupId": 11, "active": false, ` + rest,
		"group:1:12":   `{"orgId": 1, "targetGroupId": 12, "leaderboardEnabled": false, ` + rest,
		"group:2:20":   `{"orgId": 2, "targetGroupId": 20, ` + rest,
		"group:3:30":   `{"orgId": 3, "targetGroupId": 30, ` + rest,
		"group:1:2020": `{"orgId": 1, "targetGroupId": 2020}`,
	} {
		if err := c.Set(key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestResolve(t *testing.T) {
	c := resolveCatalog(t)
	november := leaderboard.Millis(1669392880000)
	base := leaderboard.Activity{OrgID: 1, GroupID: 10, RuleID: 7, UserID: 5, Value: 3, Time: november, Type: "activity"}
	for name, test := range map[string]struct {
		change func(*leaderboard.Activity)
		period leaderboard.PeriodID
		passed PassedOver
		reason Reason
		detail string
	}{
		"by time":                       {func(*leaderboard.Activity) {}, 1, "", "", ""},
		"by period":                     {func(a *leaderboard.Activity) { a.Period = 1 }, 1, "", "", ""},
		"by period at another time":     {func(a *leaderboard.Activity) { a.Period, a.Time = 1, 0 }, 1, "", "", ""},
		"unknown group":                 {func(a *leaderboard.Activity) { a.GroupID = 99 }, 0, "", ReasonUnknownGroup, "target group 99"},
		"group of another organisation": {func(a *leaderboard.Activity) { a.OrgID = 2 }, 0, "", ReasonUnknownGroup, "target group 10 of organisation 2"},
		"organisation not in catalog":   {func(a *leaderboard.Activity) { a.OrgID, a.GroupID = 3, 30 }, 0, "", ReasonUnknownGroup, "organisation 3"},
		"inactive group":                {func(a *leaderboard.Activity) { a.GroupID = 11 }, 0, PassedGroupInactive, "", ""},
		"inactive group, unknown rule":  {func(a *leaderboard.Activity) { a.GroupID, a.RuleID = 11, 99 }, 0, PassedGroupInactive, "", ""},
		"leaderboard off":               {func(a *leaderboard.Activity) { a.GroupID = 12 }, 0, PassedBoardOff, "", ""},
		"organisation off":              {func(a *leaderboard.Activity) { a.OrgID, a.GroupID = 2, 20 }, 0, PassedBoardOff, "", ""},
		"unknown rule":                  {func(a *leaderboard.Activity) { a.RuleID = 8 }, 0, "", ReasonUnknownRule, "target rule 8"},
		"unknown period":                {func(a *leaderboard.Activity) { a.Period = 2 }, 0, "", ReasonUnknownPeriod, "period 2"},
		"no period at the time":         {func(a *leaderboard.Activity) { a.Time = 1 }, 0, "", ReasonNoPeriod, "no period of target group 10"},
	} {
		a := base
		test.change(&a)
		record, why, rejection := Resolve(c, a)
		if why != test.passed {
			t.Errorf("%s: passed over as %q, want %q", name, why, test.passed)
		}
		if (rejection == nil) != (test.reason == "") || (rejection != nil && (rejection.Reason != test.reason || !strings.Contains(rejection.Detail, test.detail))) {
			t.Errorf("%s: rejected as %v, want %s naming %q", name, rejection, test.reason, test.detail)
		}
		if test.period == 0 {
			continue
		}
		want := leaderboard.Record{
			Board: leaderboard.Board{Org: 1, Group: 10, Rule: 7, Period: test.period}, Rule: leaderboard.Rule{Aggregate: leaderboard.Min, Order: leaderboard.Ascending, Start: 1667260800000, End: 1669852800000},
			Type: "activity", UserID: 5, Value: 3, Time: a.Time,
		}
		if record != want {
			t.Errorf("%s: resolved to %+v, want %+v", name, record, want)
		}
	}
}

// TestResolvePassedOver wants the board of an activity that does not count: it may
// be switched on later.
func TestResolvePassedOver(t *testing.T) {
	c := resolveCatalog(t)
	a := leaderboard.Activity{OrgID: 1, GroupID: 11, RuleID: 7, UserID: 5, Value: 3, Time: 1669392880000, Type: "activity"}
	want := leaderboard.Record{Board: leaderboard.Board{Org: 1, Group: 11, Rule: 7, Period: 1}, Type: leaderboard.TypePassedOver}
	if record, why, _ := Resolve(c, a); record != want || why != PassedGroupInactive {
		t.Errorf("it is %+v, %q, want %+v", record, why, want)
	}
	a.Time = 1 // in no period: there is no board
	if record, why, _ := Resolve(c, a); record != (leaderboard.Record{}) || why != PassedGroupInactive {
		t.Errorf("without a board it is %+v, %q", record, why)
	}
}
