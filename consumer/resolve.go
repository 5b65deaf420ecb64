package consumer

import "leaderboard"

// passed says why an activity was counted and passed over.
type passed string

const (
	notPassed           passed = ""
	passedGroupInactive passed = "group_inactive"
	passedBoardOff      passed = "leaderboard_off"
)

// resolve finds the board of an activity and how it aggregates. An activity for
// something the catalog does not have is rejected; one for a group that is off
// is passed over.
func resolve(c *leaderboard.Catalog, a leaderboard.Activity) (leaderboard.Record, passed, *Rejection) {
	group := c.Group(a.GroupID)
	if group == nil || group.OrgID != a.OrgID {
		return leaderboard.Record{}, notPassed, reject(ReasonUnknownGroup, "target group %d of organisation %d is not in the catalog", a.GroupID, a.OrgID)
	}
	org := c.Org(a.OrgID)
	if org == nil {
		return leaderboard.Record{}, notPassed, reject(ReasonUnknownGroup, "organisation %d is not in the catalog", a.OrgID)
	}
	if !group.Active {
		return leaderboard.Record{}, passedGroupInactive, nil
	}
	if !group.LeaderboardEnabled || !org.LeaderboardsEnabled {
		return leaderboard.Record{}, passedBoardOff, nil
	}
	target := group.Target(a.RuleID)
	if target == nil {
		return leaderboard.Record{}, notPassed, reject(ReasonUnknownRule, "target rule %d is not of target group %d", a.RuleID, a.GroupID)
	}
	var period *leaderboard.Period
	if a.Period != 0 {
		if period = group.Period(a.Period); period == nil {
			return leaderboard.Record{}, notPassed, reject(ReasonUnknownPeriod, "period %d is not of target group %d", a.Period, a.GroupID)
		}
	} else if period = group.PeriodAt(a.Time); period == nil {
		return leaderboard.Record{}, notPassed, reject(ReasonNoPeriod, "no period of target group %d contains the activity time", a.GroupID)
	}
	return leaderboard.Record{
		Board:     leaderboard.Board{Org: a.OrgID, Group: a.GroupID, Rule: a.RuleID, Period: period.PeriodID},
		Aggregate: target.Aggregate,
		Order:     target.Order,
		Type:      a.Type,
		UserID:    a.UserID,
		Value:     a.Value,
		Time:      a.Time,
	}, notPassed, nil
}
