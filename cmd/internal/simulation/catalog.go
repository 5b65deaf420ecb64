package simulation

import (
	"fmt"
	"time"

	"leaderboard"
)

// Org is the organisation that [Catalog] makes up, and parent the one above it.
const (
	Org    leaderboard.OrgID = 50711
	parent leaderboard.OrgID = 50700
)

// DefaultBoards is how many boards show each kind of target once.
const DefaultBoards = 3

// monthsAround is how many months before and after now the periods reach, so that a
// log that is kept for long still has a period that is running.
const monthsAround = 12

// firstRule is the first of the targets.
const firstRule leaderboard.TargetRuleID = 366

// Catalog is an organisation with that many targets and monthly periods around now.
func Catalog(now time.Time, boards int) (leaderboard.CatalogDocument, error) {
	const zone = "Asia/Kolkata"
	location, err := time.LoadLocation(zone)
	if err != nil {
		return leaderboard.CatalogDocument{}, fmt.Errorf("the time zone of the made-up catalog: %w", err)
	}
	return leaderboard.CatalogDocument{
		Orgs: []leaderboard.Org{
			{
				OrgID: Org, Name: "Acme", TimeZone: zone, LeaderboardsEnabled: true, ParentOrgID: parent,
				Enrichment: []string{"birthday", "gender", "anniversary"},
			},
			{OrgID: parent, Name: "Acme Group", TimeZone: zone, LeaderboardsEnabled: true},
		},
		TargetGroups: []leaderboard.TargetGroup{{
			TargetGroupID: 232, OrgID: Org, Name: "Target", Active: true, LeaderboardEnabled: true,
			Periods: months(now.In(location)),
			Targets: targets(boards),
		}},
	}, nil
}

// targets are n targets of all kinds in turn.
func targets(n int) []leaderboard.Target {
	kinds := [DefaultBoards]leaderboard.Target{
		{Name: "spend", Aggregate: leaderboard.Sum, Order: leaderboard.Descending},
		{Name: "largest basket", Aggregate: leaderboard.Max, Order: leaderboard.Descending},
		{Name: "smallest basket", Aggregate: leaderboard.Min, Order: leaderboard.Ascending},
	}
	targets := make([]leaderboard.Target, n)
	for i := range targets {
		targets[i] = kinds[i%len(kinds)]
		targets[i].TargetRuleID = firstRule + leaderboard.TargetRuleID(i)
		if round := i / len(kinds); round > 0 {
			targets[i].Name = fmt.Sprintf("%s %d", targets[i].Name, round+1)
		}
	}
	return targets
}

// months are the calendar months around now, in its time zone.
func months(now time.Time) []leaderboard.Period {
	var periods []leaderboard.Period
	for i := -monthsAround; i <= monthsAround; i++ {
		start := time.Date(now.Year(), now.Month()+time.Month(i), 1, 0, 0, 0, 0, now.Location())
		periods = append(periods, leaderboard.Period{
			PeriodID: leaderboard.PeriodID(start.Year()*100 + int(start.Month())),
			RefCode:  start.Format("2006-01"),
			Start:    start,
			End:      start.AddDate(0, 1, 0),
		})
	}
	return periods
}
