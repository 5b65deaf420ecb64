package query

import (
	"leaderboard"
)

// topData is the data of the ranked list of one target.
type topData struct {
	syncTimes
	TargetGroupID   leaderboard.TargetGroupID `json:"targetGroupId"`
	TargetGroupName string                    `json:"targetGroupName"`
	PeriodID        leaderboard.PeriodID      `json:"periodId"`
	PeriodRefCode   string                    `json:"periodRefCode"`
	TargetRuleID    leaderboard.TargetRuleID  `json:"targetRuleId"`
	TargetRuleName  string                    `json:"targetRuleName"`
	Rankings        list[ranking]             `json:"rankings"`
}

type ranking struct {
	Rank          int64              `json:"rank"`
	UserID        leaderboard.UserID `json:"userId"`
	AchievedValue leaderboard.Value  `json:"achievedValue"`
	activityTimes
	Enrichment enrichment `json:"userEnrichmentDetails"`
}

// topBoard is the board that a ranked list shows, with what the catalog says of it.
type topBoard struct {
	org    *leaderboard.Org
	group  *leaderboard.TargetGroup
	target *leaderboard.Target
	period *leaderboard.Period
}

// topRanked answers GET /v3.1/leaderboards/targetGroups/{targetGroupId}.
func (s *Server) topRanked(c *call) (*envelope, error) {
	p, err := parseTopParameters(c.Request)
	if err != nil {
		return nil, err
	}
	ids, err := scopedIDs(c.view.catalog, c.client.OrgID, c.Header)
	if err != nil {
		return nil, err
	}
	orgs, err := enabledOrgs(c.view.catalog, ids)
	if err != nil {
		return nil, err
	}
	b, err := findTopBoard(c.view.catalog, orgs, p, leaderboard.MillisOf(s.now()))
	if err != nil {
		return nil, err
	}
	board := leaderboard.Board{Org: b.org.OrgID, Group: b.group.TargetGroupID, Rule: b.target.TargetRuleID, Period: b.period.PeriodID}
	page, err := s.store.page(c.Context(), c.view.layout, board, b.target.Order, p.first(), p.last())
	if err != nil {
		return nil, err
	}
	profiles := make([]leaderboard.Profile, len(page.entries))
	if c.client.may(AccessEnrichment) {
		if profiles, err = s.store.profiles(c.Context(), board.Org, page.entries); err != nil {
			return nil, err
		}
	}
	return &envelope{
		Pagination: &pagination{Limit: p.size, Offset: p.offset, Total: page.total},
		Data: topData{
			syncTimes:       newSyncTimes(page.synced, b.org.Location()),
			TargetGroupID:   b.group.TargetGroupID,
			TargetGroupName: b.group.Name,
			PeriodID:        b.period.PeriodID,
			PeriodRefCode:   b.period.RefCode,
			TargetRuleID:    b.target.TargetRuleID,
			TargetRuleName:  b.target.Name,
			Rankings:        b.rankings(page.entries, profiles, p.first()),
		},
		Warnings: p.warnings,
	}, nil
}

// findTopBoard checks group, leaderboard, rule and period, in this order. A
// group of an organisation out of scope does not exist for the caller.
func findTopBoard(catalog *leaderboard.Catalog, orgs scope, p *topParameters, now leaderboard.Millis) (*topBoard, error) {
	group := catalog.Group(p.group)
	if group == nil || !group.Active || orgs.org(group.OrgID) == nil {
		return nil, leaderboard.Errorf(leaderboard.CodeGroupNotFound, "Target group not found or deactivated")
	}
	if !group.LeaderboardEnabled {
		return nil, leaderboard.Errorf(leaderboard.CodeGroupDisabled, "Leaderboard is not enabled for the target group")
	}
	target := group.Target(p.rule)
	if target == nil {
		return nil, leaderboard.Errorf(leaderboard.CodeRuleNotOfGroup, "target rule id doesn't belong to target group")
	}
	period := findPeriod(group, p.period, now)
	if period == nil {
		return nil, leaderboard.Errorf(leaderboard.CodePeriodNotFound, "Target Period not found for the target")
	}
	return &topBoard{org: orgs.org(group.OrgID), group: group, target: target, period: period}, nil
}

// findPeriod is the group's period of that id, or the one running now when id is nil.
func findPeriod(group *leaderboard.TargetGroup, id *leaderboard.PeriodID, now leaderboard.Millis) *leaderboard.Period {
	if id == nil {
		return group.PeriodAt(now)
	}
	return group.Period(*id)
}

// rankings tells the entries, of which the first has before others ahead of it.
func (b *topBoard) rankings(entries []leaderboard.Entry, profiles []leaderboard.Profile, before int64) list[ranking] {
	fields := topFields(b.org)
	zone := b.org.Location()
	rankings := make(list[ranking], len(entries))
	for i, e := range entries {
		rankings[i] = ranking{
			Rank:          before + int64(i) + 1,
			UserID:        e.UserID,
			AchievedValue: e.Value,
			activityTimes: newActivityTimes(e.LastActivity, zone),
			Enrichment:    enrichment{fields, profiles[i].Attributes},
		}
	}
	return rankings
}
