package query

import "leaderboard"

// targetGroups answers GET /v3.1/leaderboards/targetGroups: what boards there are for
// the caller. It is told from the catalog in memory.
func (s *Server) targetGroups(c *call) ([]byte, error) {
	orgs, err := scopeOf(c)
	if err != nil {
		return nil, err
	}
	answer := &envelope{data: &groupsData{view: c.view, orgs: orgs, now: leaderboard.MillisOf(s.now())}}
	c.buffer = answer.appendJSON(c.buffer[:0])
	return c.buffer, nil
}

// groupsData is the groups of some organisations that have leaderboards now.
type groupsData struct {
	view *view
	orgs scope
	now  leaderboard.Millis
}

func (d *groupsData) appendJSON(b []byte) []byte {
	b = appendList(b, `{"orgs":`, d.orgs, d.appendOrg)
	return append(b, '}')
}

func (d *groupsData) appendOrg(b []byte, o *leaderboard.Org) []byte {
	var groups []*leaderboard.TargetGroup
	for _, g := range d.view.groups[o.OrgID] {
		if g.Active && g.LeaderboardEnabled {
			groups = append(groups, g)
		}
	}
	b = appendNumber(b, `{"orgId":`, o.OrgID)
	b = appendString(b, `,"orgName":`, o.Name)
	b = appendList(b, `,"targetGroups":`, groups, func(b []byte, g *leaderboard.TargetGroup) []byte { return d.appendGroup(b, o, g) })
	return append(b, '}')
}

func (d *groupsData) appendGroup(b []byte, o *leaderboard.Org, g *leaderboard.TargetGroup) []byte {
	running := g.PeriodAt(d.now)
	b = appendNumber(b, `{"targetGroupId":`, g.TargetGroupID)
	b = appendString(b, `,"targetGroupName":`, g.Name)
	b = appendList(b, `,"targets":`, g.Targets, appendTarget)
	b = append(b, `,"periods":[`...)
	for i := range g.Periods {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPeriod(b, &g.Periods[i], o, &g.Periods[i] == running)
	}
	return append(b, "]}"...)
}

func appendTarget(b []byte, t leaderboard.Target) []byte {
	b = appendNumber(b, `{"targetRuleId":`, t.TargetRuleID)
	b = appendString(b, `,"targetRuleName":`, t.Name)
	b = appendString(b, `,"order":`, string(t.Order))
	return append(b, '}')
}

func appendPeriod(b []byte, p *leaderboard.Period, o *leaderboard.Org, running bool) []byte {
	b = appendNumber(b, `{"periodId":`, p.PeriodID)
	b = appendString(b, `,"periodRefCode":`, p.RefCode)
	b = appendLocal(b, `,"startTime":`, leaderboard.MillisOf(p.Start), o.Location())
	b = appendISO(b, `,"startTimeISO":`, leaderboard.MillisOf(p.Start))
	b = appendLocal(b, `,"endTime":`, leaderboard.MillisOf(p.End), o.Location())
	b = appendISO(b, `,"endTimeISO":`, leaderboard.MillisOf(p.End))
	if running {
		return append(b, `,"running":true}`...)
	}
	return append(b, `,"running":false}`...)
}
