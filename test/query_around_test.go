package test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"leaderboard"
)

func aroundPath(user int64, query string) string {
	return fmt.Sprintf("%s232/user/%d?%s", topPath, user, query)
}

// everyRanking reads the whole board page by page.
func everyRanking(s *queryService, rule leaderboard.TargetRuleID) []topRanking {
	s.t.Helper()
	var all []topRanking
	for page := 0; ; page++ {
		rankings := expectAnswer[topAnswer](s, queryRequest{path: fmt.Sprintf("%s232?targetId=%d&pageSize=100&pageOffset=%d", topPath, rule, page)}).Data.Rankings
		if len(rankings) == 0 {
			return all
		}
		all = append(all, rankings...)
	}
}

func TestQueryAroundEveryPlaceIsAPartOfThePages(t *testing.T) {
	s := startQueryService(t)
	r := rand.New(rand.NewPCG(3, 4))
	const users = 40
	for _, b := range []struct {
		rule  leaderboard.TargetRuleID
		order leaderboard.Order
	}{{366, leaderboard.Descending}, {367, leaderboard.Ascending}} {
		entries := randomEntries(r, users)
		s.board(runningBoard(b.rule), b.order, queryNow, entries...)
		s.profile(50711, entries[0].user, "mobile", "91")
		pages, want := everyRanking(s, b.rule), ranked(entries, b.order == leaderboard.Ascending)
		for _, w := range []struct{ before, after int }{{5, 5}, {0, 0}, {3, 0}, {0, 7}, {100, 100}} {
			for place, e := range want {
				first, last := max(0, place-w.before), min(users-1, place+w.after)
				path := aroundPath(e.user, fmt.Sprintf("targetId=%d&before=%d&after=%d", b.rule, w.before, w.after))
				answer := expectAnswer[topAnswer](s, queryRequest{path: path})
				if !reflect.DeepEqual(answer.Data.Rankings, pages[first:last+1]) {
					t.Fatalf("%s %s: place %d\n got %+v\nwant %+v", b.order, path, place+1, answer.Data.Rankings, pages[first:last+1])
				}
				if got := answer.Data.Rankings[place-first]; got.UserID != e.user || got.Rank != int64(place+1) {
					t.Fatalf("%s %s: %+v in the middle, not user %d at place %d", b.order, path, got, e.user, place+1)
				}
				if p := answer.Pagination; p.Limit != int64(w.before+w.after+1) || p.Offset != int64(first) || p.Total != users {
					t.Fatalf("%s %s: pagination %+v", b.order, path, p)
				}
			}
		}
	}
}

func TestQueryAroundAgreesWithTheRanks(t *testing.T) {
	s := startQueryService(t)
	entries := randomEntries(rand.New(rand.NewPCG(5, 6)), 60)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, entries...)
	for _, e := range entries {
		around := expectAnswer[topAnswer](s, queryRequest{path: aroundPath(e.user, "targetId=366&before=0&after=0")})
		ranks := expectAnswer[rankAnswer](s, queryRequest{path: fmt.Sprintf("%s%d", rankPath, e.user), body: `{"targetGroupId":232,"targetRuleId":366}`})
		got, want := around.Data.Rankings[0], ranks.Data.UserRanks[0]
		if got.Rank != want.Rank || got.AchievedValue != want.AchievedValue || got.LastActivityTime != want.LastActivityTime || around.Pagination.Total != want.TotalUsersInTargetGroup {
			t.Fatalf("user %d: %+v, ranks %+v", e.user, around, want)
		}
	}
}

// The answers have the form of the list: the same bytes where the window is a page.
func TestQueryAroundHasTheFormOfTheList(t *testing.T) {
	s := startQueryService(t)
	seedDocumentedBoard(s)
	for _, base := range []string{"", prefix} {
		list := s.ask(queryRequest{path: base + topPath + "232?targetId=366&periodId=243&pageSize=3"})
		around := s.ask(queryRequest{path: base + aroundPath(381332324, "targetId=366&periodId=243&before=1&after=1")})
		if around.status != 200 || around.body != list.body {
			t.Errorf("status %d\n got %s\nwant %s", around.status, around.body, list.body)
		}
	}
}

func TestQueryAroundWithoutTheUser(t *testing.T) {
	s := startQueryService(t)
	const want = `{"pagination":{"limit":11,"offset":0,"total":%d},"data":{"lastSyncTime":%s,"targetGroupId":232,"targetGroupName":"Target",` +
		`"periodId":244,"periodRefCode":"running","targetRuleId":366,"targetRuleName":"target1","rankings":[]},"errors":[],"warnings":[]}`
	req := queryRequest{path: aroundPath(9, "targetId=366")}
	if res, want := s.ask(req), fmt.Sprintf(want, 0, `null,"lastSyncTimeISO":null`); res.status != 200 || res.body != want {
		t.Errorf("on a board that never was: %d %s", res.status, res.body)
	}
	s.board(runningBoard(366), leaderboard.Descending, at("2024-06-24T12:07:00Z"), ladder(4)...)
	synced := `"2024-06-24T17:37:00.000IST","lastSyncTimeISO":"2024-06-24T12:07:00.000Z"`
	if res, want := s.ask(req), fmt.Sprintf(want, 4, synced); res.status != 200 || res.body != want {
		t.Errorf("who is not on the board: %d %s", res.status, res.body)
	}
}

func TestQueryAroundCapsTheWindow(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(250)...)
	const (
		before = "Before can not be more than 100, capping before to 100"
		after  = "After can not be more than 100, capping after to 100"
	)
	for _, c := range []struct {
		query       string
		limit       int64
		first, last int64
		warnings    []string
	}{
		{"", 11, 116, 126, nil},
		{"&before=&after=&periodId=", 11, 116, 126, nil},
		{"&before=101", 106, 21, 126, []string{before}},
		{"&after=99999999999999999999", 106, 116, 221, []string{after}},
		{"&before=1000&after=1000", 201, 21, 221, []string{before, after}},
	} {
		answer := expectAnswer[topAnswer](s, queryRequest{path: aroundPath(121, "targetId=366"+c.query)})
		rankings := answer.Data.Rankings
		if p := answer.Pagination; p.Limit != c.limit || p.Offset != c.first-1 || p.Total != 250 {
			t.Errorf("%s: pagination %+v", c.query, p)
		}
		if rankings[0].Rank != c.first || rankings[len(rankings)-1].Rank != c.last {
			t.Errorf("%s: ranks %d to %d", c.query, rankings[0].Rank, rankings[len(rankings)-1].Rank)
		}
		var warnings []string
		for _, w := range answer.Warnings {
			warnings = append(warnings, w.Message)
		}
		if !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s: warnings %q, want %q", c.query, warnings, c.warnings)
		}
	}
}

// Each request has the mistake of its own row and of all rows below it.
func TestQueryAroundChecksInOrder(t *testing.T) {
	s := startQueryService(t)
	foreign, strange := scopeHeaders("OTHER", "123"), scopeHeaders("Mine", "")
	around := func(group, user, query string) string { return topPath + group + "/user/" + user + "?" + query }
	for _, c := range []struct {
		req          queryRequest
		status, code int
		message      string
	}{
		{queryRequest{path: around("x", "x", ""), method: "PUT", client: "-", headers: foreign}, 405, 405, "This resource does not support the method, see the header Allow"},
		{queryRequest{path: around("x", "x", ""), client: "-", headers: foreign}, 401, 401, textAuthentication},
		{queryRequest{path: around("x", "x", ""), client: "rankonly", headers: foreign}, 403, 4000, textAccess},
		{queryRequest{path: around("x", "x", "before=-1"), client: "off", headers: strange}, 400, 310011, textUser},
		{queryRequest{path: around("x", "0", "before=-1"), client: "off", headers: strange}, 400, 310011, textUser},
		{queryRequest{path: around("x", "1", "before=-1"), client: "off", headers: strange}, 400, 300004, "Invalid input: targetGroupId must be a whole number"},
		{queryRequest{path: around("999", "1", "before=-1"), client: "off", headers: strange}, 400, 300004, "Invalid input: targetId is missing"},
		{queryRequest{path: around("999", "1", "targetId=1&before=-1&after=-1"), client: "off", headers: strange}, 400, 300004, "Invalid input: before must not be negative"},
		{queryRequest{path: around("999", "1", "targetId=1&after=x"), client: "off", headers: strange}, 400, 300004, "Invalid input: after must be a whole number"},
		{queryRequest{path: around("999", "1", "targetId=1"), client: "off", headers: strange}, 400, 310141, "Datascope 'Mine' is not supported for this 'API'"},
		{queryRequest{path: around("999", "1", "targetId=1"), client: "off", headers: foreign}, 400, 51512, textHierarchy + "[123]"},
		{queryRequest{path: around("999", "1", "targetId=1"), client: "off"}, 400, 310133, textDisabledOrgs + "[600]"},
		{queryRequest{path: around("233", "1", "targetId=1&periodId=9")}, 400, 310017, textGroup},
		{queryRequest{path: around("332", "1", "targetId=1&periodId=9")}, 400, 310017, textGroup},
		{queryRequest{path: around("234", "1", "targetId=1&periodId=9")}, 400, 310134, textGroupOff},
		{queryRequest{path: around("232", "1", "targetId=1&periodId=9")}, 400, 310079, textRule},
		{queryRequest{path: around("232", "1", "targetId=366&periodId=9")}, 400, 310118, textPeriod},
		{queryRequest{path: around("235", "1", "targetId=366")}, 400, 310118, textPeriod},
	} {
		for _, base := range []string{"", prefix} {
			req := c.req
			req.path = base + req.path
			expectError(t, req, s.ask(req), c.status, c.code, c.message)
		}
	}
}

func TestQueryAroundNeedsAccessToTheListOnly(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(1)...)
	s.profile(50711, 1, "mobile", "91")
	req := queryRequest{path: aroundPath(1, "targetId=366")}
	if got := expectAnswer[topAnswer](s, req).Data.Rankings[0].UserEnrichmentDetails["mobile"]; got != "91" {
		t.Errorf("mobile %q", got)
	}
	req.client = "toponly"
	if got := expectAnswer[topAnswer](s, req).Data.Rankings[0].UserEnrichmentDetails["mobile"]; got != "" {
		t.Errorf("mobile %q is told to a client without access to it", got)
	}
}

func TestQueryAroundIsOfOneMoment(t *testing.T) {
	s := startQueryService(t)
	b := runningBoard(366)
	s.board(b, leaderboard.Descending, time.Unix(1, 0), seedEntry{1, 1, time.Unix(1, 0)})
	s.rewrite(b)
	for range 300 {
		// Of n users, user 1 is the last one; the place before is user 2's.
		answer := expectAnswer[topAnswer](s, queryRequest{path: aroundPath(1, "targetId=366&before=3&after=3")})
		n := at(*answer.Data.LastSyncTimeISO).Unix()
		told := min(n, 4)
		rankings := answer.Data.Rankings
		if answer.Pagination.Total != n || answer.Pagination.Offset != n-told || int64(len(rankings)) != told {
			t.Fatalf("synced with %d entries, pagination %+v, %d rankings", n, answer.Pagination, len(rankings))
		}
		for i, r := range rankings {
			if user := told - int64(i); r.UserID != user || r.Rank != n-user+1 {
				t.Fatalf("synced with %d entries: place %d has %+v", n, i, r)
			}
		}
	}
}

func TestQueryReadsAroundAUserInOneCommand(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(3)...)
	s.expectOneScript(queryRequest{path: aroundPath(2, "targetId=366")}, "zrevrank", "zrevrange", "zcard")
}
