package test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"leaderboard"
)

func runningBoard(rule leaderboard.TargetRuleID) leaderboard.Board {
	return leaderboard.Board{Org: 50711, Group: 232, Rule: rule, Period: 244}
}

// ladder is n users, of whom user i has n-i points.
func ladder(n int64) []seedEntry {
	entries := make([]seedEntry, n)
	for i := range n {
		entries[i] = seedEntry{i + 1, (n - i) * 1000, at("2024-06-02T00:00:00Z")}
	}
	return entries
}

func TestQueryPages(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(250)...)
	const (
		offset = "Page offset can not be in negative, fetching the first page by default"
		size   = "Page Size can not be more than 100, capping the page size to 100"
		limit  = "Page Limit can not be more than 100, capping the page limit to 100"
	)
	for _, c := range []struct {
		query                string
		pageSize, pageOffset int64
		first, last          int64 // ranks; 0, 0 for none
		warnings             []string
	}{
		{"", 10, 0, 1, 10, nil},
		{"&pageSize=&pageOffset=&pageLimit=&periodId=", 10, 0, 1, 10, nil},
		{"&periodId=244", 10, 0, 1, 10, nil},
		{"&pageOffset=4&pageSize=10", 10, 4, 41, 50, nil},
		{"&pageOffset=2&pageSize=3&pageLimit=4", 3, 2, 7, 18, nil},
		{"&pageOffset=24", 10, 24, 241, 250, nil},
		{"&pageOffset=12&pageSize=20", 20, 12, 241, 250, nil},
		{"&pageOffset=25", 10, 25, 0, 0, nil},
		{"&pageOffset=9223372036854775807&pageSize=100", 100, 9223372036854775807, 0, 0, nil},
		{"&pageOffset=99999999999999999999", 10, 9223372036854775807, 0, 0, nil},
		{"&pageOffset=-1&pageSize=5", 5, 0, 1, 5, []string{offset}},
		{"&pageSize=100", 100, 0, 1, 100, nil},
		{"&pageSize=101&pageOffset=2", 100, 2, 201, 250, []string{size}},
		{"&pageSize=2&pageLimit=100", 2, 0, 1, 200, nil},
		{"&pageSize=2&pageLimit=101", 2, 0, 1, 200, []string{limit}},
		{"&pageSize=1000&pageLimit=1000&pageOffset=-3", 100, 0, 1, 250, []string{offset, size, limit}},
	} {
		answer := expectAnswer[topAnswer](s, queryRequest{path: topPath + "232?targetId=366" + c.query})
		if p := answer.Pagination; p.Limit != c.pageSize || p.Offset != c.pageOffset || p.Total != 250 {
			t.Errorf("%s: pagination %+v", c.query, p)
		}
		want := c.last - c.first + 1
		if c.first == 0 {
			want = 0
		}
		if got := int64(len(answer.Data.Rankings)); got != want {
			t.Errorf("%s: %d rankings, want %d", c.query, got, want)
		}
		for i, r := range answer.Data.Rankings {
			if rank := c.first + int64(i); r.Rank != rank || r.UserID != rank || r.AchievedValue.String() != strconv.FormatInt(251-rank, 10) {
				t.Errorf("%s: entry %d is %+v", c.query, i, r)
			}
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

func TestQueryEmptyBoard(t *testing.T) {
	s := startQueryService(t)
	const want = `{"pagination":{"limit":10,"offset":0,"total":0},"data":{"lastSyncTime":null,"lastSyncTimeISO":null,` +
		`"targetGroupId":232,"targetGroupName":"Target","periodId":244,"periodRefCode":"running","targetRuleId":366,"targetRuleName":"target1",` +
		`"rankings":[]},"errors":[],"warnings":[]}`
	req := queryRequest{path: topPath + "232?targetId=366"}
	if res := s.ask(req); res.status != 200 || res.body != want {
		t.Errorf("a board that never was: %d %s", res.status, res.body)
	}
	s.board(runningBoard(366), leaderboard.Descending, queryNow) // everybody has withdrawn
	if res := s.ask(req); res.status != 200 || res.body != want {
		t.Errorf("a board that is empty again: %d %s", res.status, res.body)
	}
}

func TestQueryValuesAndTimes(t *testing.T) {
	s := startQueryService(t)
	summer, winter := at("2024-06-02T03:04:05.678Z"), at("2024-01-02T03:04:05Z")
	s.board(leaderboard.Board{Org: 50712, Group: 332, Rule: 1, Period: 244}, leaderboard.Descending, at("2024-06-24T12:07:00Z"),
		seedEntry{1, 9_007_199_254_740_991, summer},
		seedEntry{2, 2000_460, winter},
		seedEntry{3, 5, winter},
		seedEntry{4, 0, winter},
		seedEntry{5, -500, winter},
		seedEntry{6, -9_007_199_254_740_991, winter})
	answer := expectAnswer[topAnswer](s, queryRequest{path: topPath + "332?targetId=1", client: "sibling"})
	for i, want := range []string{"9007199254740.991", "2000.46", "0.005", "0", "-0.5", "-9007199254740.991"} {
		if got := answer.Data.Rankings[i].AchievedValue.String(); got != want {
			t.Errorf("place %d has %s, want %s", i+1, got, want)
		}
	}
	if got := *answer.Data.LastSyncTime + " " + *answer.Data.LastSyncTimeISO; got != "2024-06-24T08:07:00.000EDT 2024-06-24T12:07:00.000Z" {
		t.Errorf("synced %s", got)
	}
	for i, want := range []string{"2024-06-01T23:04:05.678EDT 2024-06-02T03:04:05.678Z", "2024-01-01T22:04:05.000EST 2024-01-02T03:04:05.000Z"} {
		if r := answer.Data.Rankings[i]; r.LastActivityTime+" "+r.LastActivityTimeISO != want {
			t.Errorf("place %d: %s %s, want %s", i+1, r.LastActivityTime, r.LastActivityTimeISO, want)
		}
	}
}

// randomEntries have few values and few times, so that ties are everywhere.
func randomEntries(r *rand.Rand, n int) []seedEntry {
	entries := make([]seedEntry, 0, n)
	for _, i := range r.Perm(n) {
		entries = append(entries, seedEntry{
			user:  int64(i)*7919 + 1,
			value: r.Int64N(9)*333 - 1000,
			at:    at("2024-06-03T00:00:00Z").Add(time.Duration(r.IntN(4)) * time.Millisecond),
		})
	}
	return entries
}

// ranked sorts as the API promises: value, then earlier time, then smaller user.
func ranked(entries []seedEntry, ascending bool) []seedEntry {
	return slices.SortedFunc(slices.Values(entries), func(a, b seedEntry) int {
		byValue := cmp.Compare(b.value, a.value)
		if ascending {
			byValue = -byValue
		}
		return cmp.Or(byValue, a.at.Compare(b.at), cmp.Compare(a.user, b.user))
	})
}

func TestQueryOrderAndAgreementOfBothRoutes(t *testing.T) {
	s := startQueryService(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, b := range []struct {
		rule  leaderboard.TargetRuleID
		order leaderboard.Order
	}{{366, leaderboard.Descending}, {367, leaderboard.Ascending}} {
		entries := randomEntries(r, 230)
		s.board(runningBoard(b.rule), b.order, queryNow, entries...)
		want := ranked(entries, b.order == leaderboard.Ascending)
		var got []topRanking
		for page := 0; ; page++ {
			answer := expectAnswer[topAnswer](s, queryRequest{path: fmt.Sprintf("%s232?targetId=%d&pageSize=7&pageLimit=1&pageOffset=%d", topPath, b.rule, page)})
			if len(answer.Data.Rankings) == 0 {
				break
			}
			got = append(got, answer.Data.Rankings...)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d entries, want %d", b.order, len(got), len(want))
		}
		for i, w := range want {
			if g := got[i]; g.Rank != int64(i)+1 || g.UserID != w.user || g.LastActivityTimeISO != w.at.Format("2006-01-02T15:04:05.000Z") {
				t.Fatalf("%s: place %d is %+v, want %+v", b.order, i+1, g, w)
			}
			answer := expectAnswer[rankAnswer](s, queryRequest{path: fmt.Sprintf("%s%d", rankPath, w.user), body: fmt.Sprintf(`{"targetGroupId":232,"targetRuleId":%d}`, b.rule)})
			rows := answer.Data.UserRanks
			if len(rows) != 1 || rows[0].Rank != got[i].Rank || rows[0].AchievedValue != got[i].AchievedValue || rows[0].LastActivityTime != got[i].LastActivityTime || rows[0].TotalUsersInTargetGroup != 230 {
				t.Fatalf("%s: user %d: ranks %+v, page has %+v", b.order, w.user, rows, got[i])
			}
		}
	}
}

func TestQueryEnrichmentOfTheList(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(2)...)
	s.profile(50711, 1, "birthday", "1990-01-01", "mobile", "91", "last_name", "<O'Neil & Co>", "email", "o@example.org", "tier", "gold")
	theirs := leaderboard.Board{Org: 50712, Group: 332, Rule: 1, Period: 244}
	s.board(theirs, leaderboard.Descending, queryNow, ladder(1)...)
	s.profile(50712, 1, "tier", "gold", "first_name", "Zoë")

	for _, c := range []struct {
		path, client string
		want         string
	}{
		{"232?targetId=366&pageSize=1", "acme", `{"birthday":"1990-01-01","gender":"NOT-CAPTURED","mobile":"91","last_name":"<O'Neil & Co>","first_name":"","anniversary":"NOT-CAPTURED","email":"o@example.org"}`},
		{"232?targetId=366&pageSize=1&pageOffset=1", "acme", `{"birthday":"NOT-CAPTURED","gender":"NOT-CAPTURED","mobile":"","last_name":"","first_name":"","anniversary":"NOT-CAPTURED","email":""}`},
		{"232?targetId=366&pageSize=1", "toponly", `{"birthday":"NOT-CAPTURED","gender":"NOT-CAPTURED","mobile":"","last_name":"","first_name":"","anniversary":"NOT-CAPTURED","email":""}`},
		{"332?targetId=1", "sibling", `{"gender":"NOT-CAPTURED","mobile":"","last_name":"","first_name":"Zoë","email":"","tier":"gold"}`},
	} {
		res := s.ask(queryRequest{path: topPath + c.path, client: c.client})
		if _, got := cutAround(res.body, `"userEnrichmentDetails":`, `}]}`); got != c.want {
			t.Errorf("%s by %s:\n got %s\nwant %s", c.path, c.client, got, c.want)
		}
	}
}
