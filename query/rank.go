package query

import (
	"slices"

	"leaderboard"
	"leaderboard/query/auth"
)

// userRanks answers GET and POST /v3.1/leaderboards/user/{userId}. The user's
// fields are those of the first organisation in scope that has a profile of the
// user; lastSyncTime is told in the zone of the first organisation in scope,
// each lastActivityTime in that of the board's own.
func (s *Server) userRanks(c *call) ([]byte, error) {
	user, err := parseUser(c.Request)
	if err != nil {
		return nil, err
	}
	asked, err := parseRankItems(c, c.client.OrgID)
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
	if c.client.May(auth.AccessEnrichment) {
		profileOrgs = ids
	}
	standings, attributes, err := s.store.standings(c.ctx, c.view.layout, boards, c.view.order, user, profileOrgs)
	if err != nil {
		return nil, err
	}
	answer := &envelope{
		data:     &rankData{user: user, orgs: orgs, attributes: attributes, boards: boards, standings: standings},
		warnings: warnings,
	}
	c.buffer = answer.appendJSON(c.buffer[:0])
	return c.buffer, nil
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
func (v *view) find(asked *rankItems, orgs scope, now leaderboard.Millis) ([]leaderboard.Board, []string) {
	if asked.all {
		return v.current(orgs.ids(), now), nil
	}
	warnings := asked.warnings
	boards := make([]leaderboard.Board, 0, len(asked.items))
	for _, item := range asked.items {
		board, warning := item.find(v.catalog, now)
		if warning != "" {
			warnings = append(warnings, warning)
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

// rankData is the data of one user's places. A standing is nil where the user is
// not on the board: that one is left out.
type rankData struct {
	user leaderboard.UserID
	orgs scope
	// attributes are the values of rankFields.
	attributes []string
	boards     []leaderboard.Board
	standings  []*standing
}

func (d *rankData) appendJSON(b []byte) []byte {
	b = appendSyncTimes(append(b, '{'), d.synced(), d.orgs[0].Location())
	b = appendNumber(b, `,"customerId":`, d.user)
	b = rankFields.append(append(b, `,"userEnrichmentDetails":`...), d.attributes)
	b = append(b, `,"userRanks":[`...)
	separator := `{"orgId":`
	for i, st := range d.standings {
		if st == nil {
			continue
		}
		b = appendNumber(b, separator, d.boards[i].Org)
		b = appendNumber(b, `,"targetGroupId":`, d.boards[i].Group)
		b = appendNumber(b, `,"targetRuleId":`, d.boards[i].Rule)
		b = appendNumber(b, `,"periodId":`, d.boards[i].Period)
		b = appendValue(b, `,"achievedValue":`, st.entry.Value)
		b = appendNumber(b, `,"rank":`, st.rank)
		b = appendActivityTimes(b, st.entry.LastActivity, d.orgs.org(d.boards[i].Org).Location())
		b = appendNumber(b, `,"totalUsersInTargetGroup":`, st.total)
		b = append(b, '}')
		separator = `,{"orgId":`
	}
	return append(b, "]}"...)
}

// synced is the latest lastSyncTime of the boards on which the user stands.
func (d *rankData) synced() *leaderboard.Millis {
	var latest *leaderboard.Millis
	for _, st := range d.standings {
		if st != nil && (latest == nil || (st.synced != nil && *st.synced > *latest)) {
			latest = st.synced
		}
	}
	return latest
}
