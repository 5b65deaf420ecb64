package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"leaderboard"
)

// cutAround is the text before after, and the one between after and the next before.
func cutAround(text, after, before string) (head, found string) {
	head, rest, _ := strings.Cut(text, after)
	found, _, _ = strings.Cut(rest, before)
	return head, found
}

// places are the answer's rows as org:group:rule:period=rank.
func places(answer rankAnswer) []string {
	var found []string
	for _, r := range answer.Data.UserRanks {
		found = append(found, fmt.Sprintf("%d:%d:%d:%d=%d", r.OrgID, r.TargetGroupID, r.TargetRuleID, r.PeriodID, r.Rank))
	}
	return found
}

func expectPlaces(s *queryService, req queryRequest, want ...string) {
	s.t.Helper()
	if got := places(expectAnswer[rankAnswer](s, req)); !slices.Equal(got, want) {
		s.t.Errorf("%s %s %v %s:\n got %q\nwant %q", req.client, req.path, req.headers, req.body, got, want)
	}
}

func TestQueryFormsOfTheRankRequest(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(5)...)
	s.board(runningBoard(365), leaderboard.Descending, queryNow, ladder(3)...)
	s.board(leaderboard.Board{Org: 50711, Group: 232, Rule: 366, Period: 243}, leaderboard.Descending, queryNow, ladder(4)...)
	jsonType := map[string]string{"Content-Type": "application/vnd.acme+json; charset=utf-8"}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		user := func(id, body string) queryRequest {
			return queryRequest{method: method, path: rankPath + id, body: body, headers: jsonType}
		}
		expectPlaces(s, user("2", `[{"orgId":50711,"targetGroupId":232,"targetRuleId":366,"periodId":243},{"targetGroupId":232,"targetRuleId":365}]`),
			"50711:232:366:243=2", "50711:232:365:244=2")
		expectPlaces(s, user("4", ` {"targetGroupId":232,"targetRuleId":366,"unknown":[1],"periodId":null,"orgId":null} `), "50711:232:366:244=4")
		expectPlaces(s, user("4", `[{"targetGroupId":232,"targetRuleId":365},{"targetGroupId":232,"targetRuleId":366,"periodId":243}]`), "50711:232:366:243=4")
		expectPlaces(s, user("2", ``), "50711:232:365:244=2", "50711:232:366:244=2")
		expectPlaces(s, user("2", " \n"), "50711:232:365:244=2", "50711:232:366:244=2")
		expectPlaces(s, user("2", `[]`))
	}
}

func TestQueryUnknownUser(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(5)...)
	const want = `{"data":{"lastSyncTime":null,"lastSyncTimeISO":null,"customerId":9223372036854775807,` +
		`"userEnrichmentDetails":{"mobile":"","last_name":"","first_name":"","email":""},"userRanks":[]},"errors":[],"warnings":[]}`
	for _, body := range []string{"", `{"targetGroupId":232,"targetRuleId":366}`} {
		if res := s.ask(queryRequest{path: rankPath + "9223372036854775807", body: body}); res.status != 200 || res.body != want {
			t.Errorf("%s: %d %s", body, res.status, res.body)
		}
	}
}

func TestQueryWarningsOfItems(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(5)...)
	items := []string{
		`{"targetGroupId":999,"targetRuleId":366}`,
		`{"targetGroupId":233,"targetRuleId":366}`,
		`{"targetGroupId":332,"targetRuleId":1}`,
		`{"targetGroupId":234,"targetRuleId":1,"periodId":9}`,
		`{"targetGroupId":232,"targetRuleId":999,"periodId":9}`,
		`{"targetGroupId":232,"targetRuleId":366}`,
		`{"targetGroupId":232,"targetRuleId":366,"periodId":999}`,
		`{"targetGroupId":235,"targetRuleId":366}`,
	}
	answer := expectAnswer[rankAnswer](s, queryRequest{path: rankPath + "1", body: "[" + strings.Join(items, ",") + "]"})
	if got := places(answer); !slices.Equal(got, []string{"50711:232:366:244=1"}) {
		t.Errorf("places %q", got)
	}
	var got []string
	for _, w := range answer.Warnings {
		got = append(got, w.Message)
	}
	want := []string{
		"Target group id 999 not found or deactivated",
		"Target group id 233 not found or deactivated",
		"Target group id 332 not found or deactivated",
		"Leaderboard is not enabled for the target group id 234",
		"Target rule id 999 does not belong to target group id 232",
		"Target period id 999 not found for the target id 366",
		"No active target period found for the target id 366",
	}
	if !slices.Equal(got, want) {
		t.Errorf("warnings\n got %q\nwant %q", got, want)
	}
}

func TestQueryTakesTheFirst25Items(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(5)...)
	item := `{"targetGroupId":232,"targetRuleId":366}`
	body := strings.Repeat(item+",", 24) + item
	for _, c := range []struct {
		body     string
		warnings int
	}{
		{body, 0},
		{body + "," + item, 1},
		{body + `,{"orgId":123}`, 1},
	} {
		answer := expectAnswer[rankAnswer](s, queryRequest{path: rankPath + "3", body: "[" + c.body + "]"})
		if len(answer.Data.UserRanks) != 25 || len(answer.Warnings) != c.warnings {
			t.Errorf("%d ranks, warnings %v", len(answer.Data.UserRanks), answer.Warnings)
		}
		if c.warnings == 1 && answer.Warnings[0].Message != "Maximum number of target rules allowed is 25, only first 25 target rules will be considered" {
			t.Errorf("warning %q", answer.Warnings[0].Message)
		}
	}
}

// seedFamily puts user 1 on a board of the parent and of both its children.
func seedFamily(s *queryService) {
	s.board(leaderboard.Board{Org: 50700, Group: 132, Rule: 1, Period: 244}, leaderboard.Descending, at("2024-06-24T11:00:00Z"), ladder(1)...)
	s.board(leaderboard.Board{Org: 50712, Group: 332, Rule: 1, Period: 244}, leaderboard.Descending, at("2024-06-24T12:00:00Z"), ladder(1)...)
	for _, b := range []leaderboard.Board{runningBoard(366), runningBoard(365), {Org: 50711, Group: 231, Rule: 366, Period: 244}} {
		s.board(b, leaderboard.Descending, at("2024-06-24T10:00:00Z"), ladder(1)...)
	}
}

func TestQueryScopes(t *testing.T) {
	s := startQueryService(t)
	seedFamily(s)
	acme := []string{"50711:231:366:244=1", "50711:232:365:244=1", "50711:232:366:244=1"}
	holding, sibling := "50700:132:1:244=1", "50712:332:1:244=1"
	for _, c := range []struct {
		client, scope, orgs string
		want                []string
	}{
		{"parent", "", "", []string{holding}},
		{"parent", "SELF", "50711", []string{holding}},
		{"parent", "self", "", []string{holding}},
		{"parent", "OTHER", "50711", acme},
		{"parent", "OTHER", "50712, 50711", slices.Concat(acme, []string{sibling})},
		{"parent", "OTHER", "50712,50700", []string{holding, sibling}},
		{"parent", "ALL", "", slices.Concat([]string{holding}, acme, []string{sibling})},
		{"acme", "", "", acme},
		{"acme", "OTHER", "50711,50711", acme},
		{"acme", "ALL", "", acme},
	} {
		expectPlaces(s, queryRequest{path: rankPath + "1", client: c.client, headers: scopeHeaders(c.scope, c.orgs)}, c.want...)
	}
	plural := map[string]string{"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORGS": "50712"}
	expectPlaces(s, queryRequest{path: rankPath + "1", client: "parent", headers: plural}, sibling)
	expectPlaces(s, queryRequest{path: rankPath + "1", client: "parent", headers: plural, body: `{"orgId":50712,"targetGroupId":332,"targetRuleId":1}`}, sibling)

	answer := expectAnswer[topAnswer](s, queryRequest{path: topPath + "332?targetId=1", client: "parent", headers: plural})
	if answer.Pagination.Total != 1 || answer.Data.Rankings[0].UserID != 1 {
		t.Errorf("the list of a child: %+v", answer)
	}
}

func TestQueryTimesAndEnrichmentAcrossOrganisations(t *testing.T) {
	s := startQueryService(t)
	seedFamily(s)
	s.profile(50712, 1, "mobile", "12")
	req := queryRequest{path: rankPath + "1", client: "parent", headers: scopeHeaders("ALL", "")}
	answer := expectAnswer[rankAnswer](s, req)
	if got := *answer.Data.LastSyncTime; got != "2024-06-24T12:00:00.000UTC" {
		t.Errorf("lastSyncTime %s is not the latest of the boards in the zone of the first organisation", got)
	}
	var zones []string
	for _, r := range answer.Data.UserRanks {
		zones = append(zones, r.LastActivityTime[len("2024-06-02T00:00:00.000"):])
	}
	if !slices.Equal(zones, []string{"UTC", "IST", "IST", "IST", "EDT"}) {
		t.Errorf("zones %q", zones)
	}
	if got := answer.Data.UserEnrichmentDetails["mobile"]; got != "12" {
		t.Errorf("mobile %q is not that of the only profile", got)
	}
	s.profile(50711, 1, "mobile", "11")
	s.profile(50700, 1, "mobile", "00")
	if got := expectAnswer[rankAnswer](s, req).Data.UserEnrichmentDetails["mobile"]; got != "00" {
		t.Errorf("mobile %q is not that of the caller's own organisation", got)
	}
}

func TestQueryRanksWithoutEnrichment(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(1)...)
	s.profile(50711, 1, "mobile", "11", "email", "a@example.org")
	_, got := cutAround(s.ask(queryRequest{path: rankPath + "1", client: "rankonly"}).body, `"userEnrichmentDetails":`, `,"userRanks"`)
	if got != `{"mobile":"","last_name":"","first_name":"","email":""}` {
		t.Errorf("enrichment %s", got)
	}
	_, got = cutAround(s.ask(queryRequest{path: rankPath + "1"}).body, `"userEnrichmentDetails":`, `,"userRanks"`)
	if got != `{"mobile":"11","last_name":"","first_name":"","email":"a@example.org"}` {
		t.Errorf("enrichment %s", got)
	}
}
