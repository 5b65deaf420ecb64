package query

import (
	"slices"
	"strconv"

	"leaderboard"
)

// rankData is the data of one user's places.
type rankData struct {
	syncTimes
	CustomerID leaderboard.UserID `json:"customerId"`
	Enrichment enrichment         `json:"userEnrichmentDetails"`
	UserRanks  list[userRank]     `json:"userRanks"`
}

type userRank struct {
	OrgID         leaderboard.OrgID         `json:"orgId"`
	TargetGroupID leaderboard.TargetGroupID `json:"targetGroupId"`
	TargetRuleID  leaderboard.TargetRuleID  `json:"targetRuleId"`
	PeriodID      leaderboard.PeriodID      `json:"periodId"`
	AchievedValue leaderboard.Value         `json:"achievedValue"`
	Rank          int64                     `json:"rank"`
	activityTimes
	TotalUsers int64 `json:"totalUsersInTargetGroup"`
}

// userRanks answers GET and POST /v3.1/leaderboards/user/{userId}. The user's
// fields are those of the first organisation in scope that has a profile of the
// user; lastSyncTime is told in the zone of the first organisation in scope,
// each lastActivityTime in that of the board's own.
func (s *Server) userRanks(c *call) (*envelope, error) {
	user, err := strconv.ParseInt(c.PathValue("userId"), 10, 64)
	if err != nil || user <= 0 {
		return nil, leaderboard.Errorf(leaderboard.CodeInvalidUserID, "Invalid userId")
	}
	asked, err := parseRankItems(c.Request, c.client.OrgID)
	if err != nil {
		return nil, err
	}
	ids, err := scopedIDs(c.view.catalog, c.client.OrgID, c.Header)
	if err != nil {
		return nil, err
	}
	if err := checkHierarchy(asked.outside(ids)); err != nil {
		return nil, err
	}
	orgs, err := enabledOrgs(c.view.catalog, ids)
	if err != nil {
		return nil, err
	}
	boards, warnings := c.view.find(asked, orgs, leaderboard.MillisOf(s.now()))
	var profileOrgs []leaderboard.OrgID
	if c.client.may(AccessEnrichment) {
		profileOrgs = ids
	}
	standings, profile, err := s.store.standings(c.Context(), c.view.layout, boards, c.view.order, leaderboard.UserID(user), profileOrgs)
	if err != nil {
		return nil, err
	}
	data := newRankData(boards, standings, orgs)
	data.CustomerID = leaderboard.UserID(user)
	data.Enrichment = enrichment{rankTemplate, profile.Attributes}
	return &envelope{Data: data, Warnings: warnings}, nil
}

// outside are the organisations that the items name and the ids lack, each once.
func (asked *rankItems) outside(ids []leaderboard.OrgID) []leaderboard.OrgID {
	var strangers []leaderboard.OrgID
	for _, item := range asked.items {
		if !slices.Contains(ids, item.org) && !slices.Contains(strangers, item.org) {
			strangers = append(strangers, item.org)
		}
	}
	return strangers
}

// find is the boards asked for, in the order of the request, and a warning for
// each item that names none.
func (v *view) find(asked *rankItems, orgs scope, now leaderboard.Millis) ([]leaderboard.Board, list[warning]) {
	if asked.all {
		return v.current(orgs.ids(), now), nil
	}
	warnings := asked.warnings
	var boards []leaderboard.Board
	for _, item := range asked.items {
		board, problem := item.find(v.catalog, now)
		if problem != nil {
			warnings = append(warnings, *problem)
			continue
		}
		boards = append(boards, board)
	}
	return boards, warnings
}

// current is every board that is running now, by organisation, group and rule.
func (v *view) current(orgs []leaderboard.OrgID, now leaderboard.Millis) []leaderboard.Board {
	var boards []leaderboard.Board
	for _, org := range slices.Sorted(slices.Values(orgs)) {
		for _, group := range v.groups[org] {
			period := group.PeriodAt(now)
			if !group.Active || !group.LeaderboardEnabled || period == nil {
				continue
			}
			for _, target := range group.Targets {
				boards = append(boards, leaderboard.Board{Org: org, Group: group.TargetGroupID, Rule: target.TargetRuleID, Period: period.PeriodID})
			}
		}
	}
	return boards
}

// order is that of a board that the catalog has.
func (v *view) order(b leaderboard.Board) leaderboard.Order {
	return v.catalog.Group(b.Group).Target(b.Rule).Order
}

// newRankData leaves out the boards on which the user does not stand.
func newRankData(boards []leaderboard.Board, standings []*standing, orgs scope) rankData {
	var ranks list[userRank]
	var synced *leaderboard.Millis
	for i, st := range standings {
		if st == nil {
			continue
		}
		b := boards[i]
		ranks = append(ranks, userRank{
			OrgID: b.Org, TargetGroupID: b.Group, TargetRuleID: b.Rule, PeriodID: b.Period,
			AchievedValue: st.entry.Value,
			Rank:          st.rank,
			activityTimes: newActivityTimes(st.entry.LastActivity, orgs.org(b.Org).Location()),
			TotalUsers:    st.total,
		})
		if synced == nil || (st.synced != nil && *st.synced > *synced) {
			synced = st.synced
		}
	}
	return rankData{syncTimes: newSyncTimes(synced, orgs[0].Location()), UserRanks: ranks}
}
