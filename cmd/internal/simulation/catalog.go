package dev

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"leaderboard"
)

// The built-in organisations.
const (
	sampleOrg    leaderboard.OrgID = 50711
	sampleParent leaderboard.OrgID = 50700
)

// monthsAround is how many months before and after now the built-in periods reach,
// so that a log that is kept for long still has a period that is running.
const monthsAround = 12

// sampleCatalog is the built-in catalog: monthly periods around now.
func sampleCatalog(now time.Time) (leaderboard.CatalogDocument, error) {
	const zone = "Asia/Kolkata"
	location, err := time.LoadLocation(zone)
	if err != nil {
		return leaderboard.CatalogDocument{}, fmt.Errorf("the time zone of the built-in catalog: %w", err)
	}
	return leaderboard.CatalogDocument{
		Orgs: []leaderboard.Org{
			{
				OrgID: sampleOrg, Name: "Acme", TimeZone: zone, LeaderboardsEnabled: true, ParentOrgID: sampleParent,
				Enrichment: []string{"birthday", "gender", "anniversary"},
			},
			{OrgID: sampleParent, Name: "Acme Group", TimeZone: zone, LeaderboardsEnabled: true},
		},
		TargetGroups: []leaderboard.TargetGroup{{
			TargetGroupID: 232, OrgID: sampleOrg, Name: "Target", Active: true, LeaderboardEnabled: true,
			Periods: months(now.In(location)),
			Targets: []leaderboard.Target{
				{TargetRuleID: 366, Name: "spend", Aggregate: leaderboard.Sum, Order: leaderboard.Descending},
				{TargetRuleID: 367, Name: "largest basket", Aggregate: leaderboard.Max, Order: leaderboard.Descending},
				{TargetRuleID: 368, Name: "smallest basket", Aggregate: leaderboard.Min, Order: leaderboard.Ascending},
			},
		}},
	}, nil
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

// firstUser is the first of the simulated users.
const firstUser leaderboard.UserID = 381_329_001

// userCount is how many there are.
const userCount = 1000

var (
	firstNames = []string{"Aarav", "Diya", "Ishaan", "Kavya", "Meera", "Nikhil", "Priya", "Rohan", "Sana", "Tom"}
	lastNames  = []string{"Bose", "Chopra", "Das", "Iyer", "Khan", "Mehta", "Nair", "Rao", "Sawyer", "Singh"}
)

// sampleProfiles are the profiles of the simulated users, as JSON lines. Not all
// that could be known is known of everyone.
func sampleProfiles(org leaderboard.OrgID) (string, error) {
	random := rand.New(rand.NewPCG(uint64(org), 0)) //nolint:gosec // made-up people, the same each time
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for i := range userCount {
		first, last := firstNames[random.IntN(len(firstNames))], lastNames[random.IntN(len(lastNames))]
		attributes := map[string]string{
			"first_name": first,
			"last_name":  last,
			"mobile":     strconv.Itoa(919_800_000_000 + i),
			"email":      fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), i),
		}
		if random.IntN(2) == 0 {
			attributes["birthday"] = fmt.Sprintf("%d-%02d-%02d", 1960+random.IntN(45), 1+random.IntN(12), 1+random.IntN(28))
		}
		if random.IntN(3) > 0 {
			attributes["gender"] = []string{"Female", "Male"}[random.IntN(2)]
		}
		profile := leaderboard.Profile{OrgID: org, UserID: firstUser + leaderboard.UserID(i), Attributes: attributes}
		if err := encoder.Encode(profile); err != nil {
			return "", err
		}
	}
	return lines.String(), nil
}
