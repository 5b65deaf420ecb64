package query

import (
	"context"

	"leaderboard"
	"leaderboard/query/auth"
)

// topQuestion is all that an answer with a ranked list depends on, besides Redis.
type topQuestion struct {
	view  *view
	board topBoard
	pages pages
	// enriched is whether the client may see the users' fields.
	enriched bool
}

// topBoard is the board that a ranked list shows, with what the catalog says of it.
type topBoard struct {
	org    *leaderboard.Org
	group  *leaderboard.TargetGroup
	target *leaderboard.Target
	period *leaderboard.Period
}

// topRanked answers GET /v3.1/leaderboards/targetGroups/{targetGroupId}.
func (s *Server) topRanked(c *call) ([]byte, error) {
	question, err := s.topQuestion(c)
	if err != nil {
		return nil, err
	}
	body, err := s.tops.answer(c.ctx, question)
	if err != nil && c.ctx.Err() != nil {
		return nil, s.store.failed("wait for a page", err)
	}
	return body, err
}

// topQuestion is what the call asks, and may.
func (s *Server) topQuestion(c *call) (topQuestion, error) {
	p, err := parseTopParameters(c.Request)
	if err != nil {
		return topQuestion{}, err
	}
	board, err := s.findBoard(c, p.boardParameters)
	if err != nil {
		return topQuestion{}, err
	}
	return topQuestion{view: c.view, board: board, pages: p.pages, enriched: c.client.May(auth.AccessEnrichment)}, nil
}

// readTop makes the answer to a question, for all who ask it at this time.
func (s *Server) readTop(ctx context.Context, q topQuestion) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, s.requestTimeout)
	defer cancel()
	pages, warnings := q.pages.capped()
	page, err := s.store.page(ctx, q.view.layout, q.board.board(), q.view.order, pages.first(), pages.last(), q.enriched)
	if err != nil {
		return nil, err
	}
	answer := &envelope{
		pagination: &pagination{limit: pages.size, offset: pages.offset, total: page.total},
		data:       s.topData(q.board, page),
		warnings:   warnings,
	}
	return answer.appendJSON(make([]byte, 0, 1024+512*len(page.entries))), nil
}

// topData is what is told of a page; users' fields without a profile are empty.
func (s *Server) topData(board topBoard, p page) *topData {
	fields := topFields(board.org)
	return &topData{topBoard: board, page: p, fields: fields, attributes: s.store.attributes(fields, p)}
}

// findBoard checks the scope of the call, its organisations, and what the
// parameters name, in this order.
func (s *Server) findBoard(c *call, p boardParameters) (topBoard, error) {
	orgs, err := scopeOf(c)
	if err != nil {
		return topBoard{}, err
	}
	return findTopBoard(c.view.catalog, orgs, p, leaderboard.MillisOf(s.now()))
}

// findTopBoard checks group, leaderboard, rule and period, in this order. A
// group of an organisation out of scope does not exist for the caller.
func findTopBoard(catalog *leaderboard.Catalog, orgs scope, p boardParameters, now leaderboard.Millis) (topBoard, error) {
	group := catalog.Group(p.group)
	if group == nil || !group.Active || orgs.org(group.OrgID) == nil {
		return topBoard{}, leaderboard.Errorf(leaderboard.CodeGroupNotFound, "Target group not found or deactivated")
	}
	if !group.LeaderboardEnabled {
		return topBoard{}, leaderboard.Errorf(leaderboard.CodeGroupDisabled, "Leaderboard is not enabled for the target group")
	}
	target := group.Target(p.rule)
	if target == nil {
		return topBoard{}, leaderboard.Errorf(leaderboard.CodeRuleNotOfGroup, "target rule id doesn't belong to target group")
	}
	period := findPeriod(group, p.period, now)
	if period == nil {
		return topBoard{}, leaderboard.Errorf(leaderboard.CodePeriodNotFound, "Target Period not found for the target")
	}
	return topBoard{org: orgs.org(group.OrgID), group: group, target: target, period: period}, nil
}

// findPeriod is the group's period of that id, or the one running now when id is nil.
func findPeriod(group *leaderboard.TargetGroup, id *leaderboard.PeriodID, now leaderboard.Millis) *leaderboard.Period {
	if id == nil {
		return group.PeriodAt(now)
	}
	return group.Period(*id)
}

func (b *topBoard) board() leaderboard.Board {
	return leaderboard.Board{Org: b.org.OrgID, Group: b.group.TargetGroupID, Rule: b.target.TargetRuleID, Period: b.period.PeriodID}
}

// topData is the data of the ranked list of one target.
type topData struct {
	topBoard
	page   page
	fields *fields
	// attributes are the values of the fields of each entry's user.
	attributes [][]string
}

func (d *topData) appendJSON(b []byte) []byte {
	zone := d.org.Location()
	b = appendSyncTimes(append(b, '{'), d.page.synced, zone)
	b = appendNumber(b, `,"targetGroupId":`, d.group.TargetGroupID)
	b = appendString(b, `,"targetGroupName":`, d.group.Name)
	b = appendNumber(b, `,"periodId":`, d.period.PeriodID)
	b = appendString(b, `,"periodRefCode":`, d.period.RefCode)
	b = appendNumber(b, `,"targetRuleId":`, d.target.TargetRuleID)
	b = appendString(b, `,"targetRuleName":`, d.target.Name)
	b = append(b, `,"rankings":[`...)
	for i, e := range d.page.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, `{"rank":`, d.page.ahead+int64(i)+1)
		b = appendNumber(b, `,"userId":`, e.UserID)
		b = appendValue(b, `,"achievedValue":`, e.Value)
		b = appendActivityTimes(b, e.LastActivity, zone)
		b = d.fields.append(append(b, `,"userEnrichmentDetails":`...), d.attributes[i])
		b = append(b, '}')
	}
	return append(b, "]}"...)
}
