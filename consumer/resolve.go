package consumer

import "leaderboard"

// PassedOver says why an activity was counted and passed over.
type PassedOver string

// The reasons; NotPassed is of an activity that counts.
const (
	NotPassed           PassedOver = ""
	PassedGroupInactive PassedOver = "group_inactive"
	PassedBoardOff      PassedOver = "leaderboard_off"
)

// Resolve finds the board of an activity and how it aggregates. An activity for
// something the catalog does not have is rejected; one for a group that is off
// is passed over: its record has the board, where there is one, and changes
// nothing there. The board of an erasure has the organisation only.
func Resolve(c *leaderboard.Catalog, a leaderboard.Activity) (leaderboard.Record, PassedOver, *Rejection) {
	if a.Type == leaderboard.TypeErase {
		return leaderboard.Record{Board: leaderboard.Board{Org: a.OrgID}, Type: a.Type, UserID: a.UserID, Time: a.Time}, NotPassed, nil
	}
	group := c.Group(a.GroupID)
	if group == nil || group.OrgID != a.OrgID {
		return leaderboard.Record{}, NotPassed, reject(ReasonUnknownGroup, "target group %d of organisation %d is not in the catalog", a.GroupID, a.OrgID)
	}
	org := c.Org(a.OrgID)
	if org == nil {
		return leaderboard.Record{}, NotPassed, reject(ReasonUnknownGroup, "organisation %d is not in the catalog", a.OrgID)
	}
	target := group.Target(a.RuleID)
	period := group.Period(a.Period)
	if a.Period == 0 {
		period = group.PeriodAt(a.Time)
	}
	if why := isOff(org, group); why != NotPassed {
		if target == nil || period == nil {
			return leaderboard.Record{}, why, nil
		}
		return leaderboard.Record{Board: boardOf(group, target, period), Type: leaderboard.TypePassedOver}, why, nil
	}
	switch {
	case target == nil:
		return leaderboard.Record{}, NotPassed, reject(ReasonUnknownRule, "target rule %d is not of target group %d", a.RuleID, a.GroupID)
	case period == nil && a.Period != 0:
		return leaderboard.Record{}, NotPassed, reject(ReasonUnknownPeriod, "period %d is not of target group %d", a.Period, a.GroupID)
	case period == nil:
		return leaderboard.Record{}, NotPassed, reject(ReasonNoPeriod, "no period of target group %d contains the activity time", a.GroupID)
	}
	return leaderboard.Record{
		Board:   boardOf(group, target, period),
		Rule:    target.Rule(period),
		EventID: a.EventID,
		Type:    a.Type,
		UserID:  a.UserID,
		Value:   a.Value,
		Time:    a.Time,
	}, NotPassed, nil
}

func isOff(org *leaderboard.Org, group *leaderboard.TargetGroup) PassedOver {
	switch {
	case !group.Active:
		return PassedGroupInactive
	case !group.LeaderboardEnabled || !org.LeaderboardsEnabled:
		return PassedBoardOff
	}
	return NotPassed
}

func boardOf(group *leaderboard.TargetGroup, target *leaderboard.Target, period *leaderboard.Period) leaderboard.Board {
	return leaderboard.Board{Org: group.OrgID, Group: group.TargetGroupID, Rule: target.TargetRuleID, Period: period.PeriodID}
}
