package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leaderboard/query"
)

// expectError compares the whole answer; a path of the ranked list has
// pagination of zeros.
func expectError(t *testing.T, req queryRequest, res queryResponse, status, code int, message string) {
	t.Helper()
	want := fmt.Sprintf(`{"data":null,"errors":[{"code":%d,"message":%q}],"warnings":[]}`, code, message)
	if strings.Contains(req.path, topPath) {
		want = `{"pagination":{"limit":0,"offset":0,"total":0},` + want[1:]
	}
	if res.status != status || res.body != want {
		t.Errorf("%s %s by %q %v %s:\n got %d %s\nwant %d %s", req.method, req.path, req.client, req.headers, req.body, res.status, res.body, status, want)
	}
	if got := res.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

func scopeHeaders(scope, orgs string) map[string]string {
	return map[string]string{"DATA-SCOPE": scope, "DATA-SCOPE-ORG": orgs}
}

const (
	textDisabledOrgs   = "Leaderboards are not enabled for the following orgs: "
	textHierarchy      = "The following orgs are not part of the hierarchy: "
	textGroup          = "Target group not found or deactivated"
	textGroupOff       = "Leaderboard is not enabled for the target group"
	textRule           = "target rule id doesn't belong to target group"
	textPeriod         = "Target Period not found for the target"
	textScopeOrgs      = "Connected Orgs not set properly in Headers"
	textUser           = "Invalid userId"
	textAuthentication = "Authentication failed. Please check username and password"
	textAccess         = "Not authorized. Access is denied!"
	textInternal       = "Internal error"
	textOverload       = "Too many requests are being answered at the moment, please try again shortly"
)

func TestQueryErrors(t *testing.T) {
	s := startQueryService(t)
	top := topPath + "232?targetId=366"
	rank := rankPath + "1"
	for name, c := range map[string]struct {
		req          queryRequest
		status, code int
		message      string
	}{
		"no credentials":           {queryRequest{path: top, client: "-"}, 401, 401, textAuthentication},
		"unknown client":           {queryRequest{path: top, client: "stranger"}, 401, 401, textAuthentication},
		"wrong secret":             {queryRequest{path: top, client: "-", headers: map[string]string{"Authorization": "Basic YWNtZTpub3BlCg=="}}, 401, 401, textAuthentication},
		"malformed credentials":    {queryRequest{path: rank, client: "-", headers: map[string]string{"Authorization": "Basic !"}}, 401, 401, textAuthentication},
		"no access to the list":    {queryRequest{path: top, client: "rankonly"}, 403, 4000, textAccess},
		"no access to the ranks":   {queryRequest{path: rank, client: "toponly"}, 403, 4000, textAccess},
		"no such route":            {queryRequest{path: "/v3.1/leaderboards"}, 404, 404, "There is no such resource"},
		"no such route in gateway": {queryRequest{path: prefix + "/v3.1/nothing"}, 404, 404, "There is no such resource"},
		"nothing at the root":      {queryRequest{path: "/"}, 404, 404, "There is no such resource"},

		"targetId missing":       {queryRequest{path: topPath + "232"}, 400, 300004, "Invalid input: targetId is missing"},
		"targetId no number":     {queryRequest{path: topPath + "232?targetId=x"}, 400, 300004, "Invalid input: targetId must be a whole number"},
		"targetId decimal":       {queryRequest{path: topPath + "232?targetId=1.5"}, 400, 300004, "Invalid input: targetId must be a whole number"},
		"group no number":        {queryRequest{path: topPath + "x?targetId=366"}, 400, 300004, "Invalid input: targetGroupId must be a whole number"},
		"periodId no number":     {queryRequest{path: top + "&periodId=x"}, 400, 300004, "Invalid input: periodId must be a whole number"},
		"pageOffset no number":   {queryRequest{path: top + "&pageOffset=x"}, 400, 300004, "Invalid input: pageOffset must be a whole number"},
		"pageSize no number":     {queryRequest{path: top + "&pageSize=x"}, 400, 300004, "Invalid input: pageSize must be a whole number"},
		"pageSize under 1":       {queryRequest{path: top + "&pageSize=0"}, 400, 300004, "Invalid input: pageSize must be at least 1"},
		"pageLimit no number":    {queryRequest{path: top + "&pageLimit=x"}, 400, 300004, "Invalid input: pageLimit must be a whole number"},
		"pageLimit under 1":      {queryRequest{path: top + "&pageLimit=-1"}, 400, 300004, "Invalid input: pageLimit must be at least 1"},
		"malformed query string": {queryRequest{path: top + "&x=%zz"}, 400, 300004, "Invalid input: the query string is malformed"},

		"org off":                     {queryRequest{path: top, client: "off"}, 400, 310133, textDisabledOrgs + "[600]"},
		"org off, ranks":              {queryRequest{path: rank, client: "off"}, 400, 310133, textDisabledOrgs + "[600]"},
		"child off":                   {queryRequest{path: top, client: "offparent", headers: scopeHeaders("ALL", "")}, 400, 310133, textDisabledOrgs + "[651]"},
		"org not in the catalog":      {queryRequest{path: top, client: "nowhere"}, 400, 310133, textDisabledOrgs + "[999]"},
		"foreign org":                 {queryRequest{path: top, client: "parent", headers: scopeHeaders("OTHER", "123, 50711")}, 400, 51512, textHierarchy + "[123]"},
		"foreign orgs":                {queryRequest{path: top, client: "parent", headers: scopeHeaders("OTHER", "600,123")}, 400, 51512, textHierarchy + "[600, 123]"},
		"sibling":                     {queryRequest{path: top, headers: scopeHeaders("OTHER", "50712")}, 400, 51512, textHierarchy + "[50712]"},
		"parent of the caller":        {queryRequest{path: rank, headers: scopeHeaders("OTHER", "50700")}, 400, 51512, textHierarchy + "[50700]"},
		"item of a foreign org":       {queryRequest{path: rank, body: `[{"orgId":123,"targetGroupId":232,"targetRuleId":366},{"orgId":9,"targetGroupId":1,"targetRuleId":1},{"orgId":123,"targetGroupId":1,"targetRuleId":1}]`}, 400, 51512, textHierarchy + "[123, 9]"},
		"item of an org out of scope": {queryRequest{path: rank, client: "parent", headers: scopeHeaders("OTHER", "50711"), body: `{"targetGroupId":132,"targetRuleId":1}`}, 400, 51512, textHierarchy + "[50700]"},

		"group unknown":              {queryRequest{path: topPath + "999?targetId=366"}, 400, 310017, textGroup},
		"group negative":             {queryRequest{path: topPath + "-1?targetId=366"}, 400, 310017, textGroup},
		"group beyond 64 bits":       {queryRequest{path: topPath + "99999999999999999999?targetId=366"}, 400, 310017, textGroup},
		"group inactive":             {queryRequest{path: topPath + "233?targetId=366"}, 400, 310017, textGroup},
		"group of another org":       {queryRequest{path: topPath + "332?targetId=1"}, 400, 310017, textGroup},
		"group of the parent":        {queryRequest{path: topPath + "132?targetId=1", headers: scopeHeaders("ALL", "")}, 400, 310017, textGroup},
		"group of a child with SELF": {queryRequest{path: top, client: "parent"}, 400, 310017, textGroup},
		"group's leaderboard off":    {queryRequest{path: topPath + "234?targetId=366"}, 400, 310134, textGroupOff},
		"rule not of the group":      {queryRequest{path: topPath + "232?targetId=1"}, 400, 310079, textRule},
		"period not of the group":    {queryRequest{path: top + "&periodId=999"}, 400, 310118, textPeriod},
		"no period is running":       {queryRequest{path: topPath + "235?targetId=366"}, 400, 310118, textPeriod},

		"OTHER without a list":  {queryRequest{path: top, headers: map[string]string{"DATA-SCOPE": "OTHER"}}, 400, 310144, textScopeOrgs},
		"OTHER with empty list": {queryRequest{path: rank, headers: scopeHeaders("OTHER", " ")}, 400, 310144, textScopeOrgs},
		"OTHER with no numbers": {queryRequest{path: top, headers: scopeHeaders("OTHER", "50711,x")}, 400, 310144, textScopeOrgs},
		"OTHER with three":      {queryRequest{path: top, client: "parent", headers: scopeHeaders("OTHER", "50700,50711,50712")}, 400, 310144, textScopeOrgs},
		"unknown scope":         {queryRequest{path: top, headers: scopeHeaders("Mine", "")}, 400, 310141, "Datascope 'Mine' is not supported for this 'API'"},
		"ALL with many":         {queryRequest{path: rank, client: "many", headers: scopeHeaders("ALL", "")}, 400, 310141, "Datascope 'ALL' is not supported for this 'API'"},

		"userId no number":   {queryRequest{path: rankPath + "x"}, 400, 310011, textUser},
		"userId zero":        {queryRequest{path: rankPath + "0"}, 400, 310011, textUser},
		"userId negative":    {queryRequest{path: rankPath + "-5"}, 400, 310011, textUser},
		"userId beyond":      {queryRequest{path: rankPath + "9223372036854775808"}, 400, 310011, textUser},
		"body no JSON":       {queryRequest{path: rank, body: `[{`}, 400, 300004, "Invalid input: the body is not valid JSON"},
		"body no objects":    {queryRequest{path: rank, body: `"x"`}, 400, 300004, "Invalid input: the body must be an object or an array of objects"},
		"body null":          {queryRequest{path: rank, body: `null`}, 400, 300004, "Invalid input: the body must be an object or an array of objects"},
		"item no object":     {queryRequest{path: rank, body: `[1]`}, 400, 300004, "Invalid input: [0] must be an object"},
		"item without group": {queryRequest{path: rank, body: `[{"targetRuleId":366}]`}, 400, 300004, "Invalid input: [0].targetGroupId must be a positive whole number"},
		"item without rule":  {queryRequest{path: rank, body: `[{"targetGroupId":232,"targetRuleId":366},{"targetGroupId":232}]`}, 400, 300004, "Invalid input: [1].targetRuleId must be a positive whole number"},
		"item rule in text":  {queryRequest{path: rank, body: `{"targetGroupId":232,"targetRuleId":"366"}`}, 400, 300004, "Invalid input: [0].targetRuleId must be a positive whole number"},
		"item org negative":  {queryRequest{path: rank, body: `{"orgId":-1,"targetGroupId":232,"targetRuleId":366}`}, 400, 300004, "Invalid input: [0].orgId must be a positive whole number"},
		"item period zero":   {queryRequest{path: rank, body: `{"targetGroupId":232,"targetRuleId":366,"periodId":0}`}, 400, 300004, "Invalid input: [0].periodId must be a positive whole number"},
		"body is a form":     {queryRequest{path: rank, body: `{"targetGroupId":232}`, headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, 415, "The body must be JSON, with Content-Type application/json"},
		"list with POST":     {queryRequest{path: top, method: http.MethodPost}, 405, 405, "This resource does not support the method, see the header Allow"},
		"ranks with DELETE":  {queryRequest{path: rank, method: http.MethodDelete}, 405, 405, "This resource does not support the method, see the header Allow"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, base := range []string{"", prefix} {
				req := c.req
				req.path = base + req.path
				expectError(t, req, s.ask(req), c.status, c.code, c.message)
			}
		})
	}
}

// Each request has the mistake of its own row and of all rows below it.
func TestQueryChecksInOrder(t *testing.T) {
	s := startQueryService(t)
	foreign, strange := scopeHeaders("OTHER", "123"), scopeHeaders("Mine", "")
	for _, c := range []struct {
		req          queryRequest
		status, code int
		message      string
	}{
		{queryRequest{path: topPath + "x", client: "-", headers: foreign}, 401, 401, textAuthentication},
		{queryRequest{path: topPath + "x", client: "rankonly", headers: foreign}, 403, 4000, textAccess},
		{queryRequest{path: topPath + "999?targetId=x", client: "off", headers: foreign}, 400, 300004, "Invalid input: targetId must be a whole number"},
		{queryRequest{path: topPath + "999?targetId=1", client: "off", headers: strange}, 400, 310141, "Datascope 'Mine' is not supported for this 'API'"},
		{queryRequest{path: topPath + "999?targetId=1", client: "off", headers: foreign}, 400, 51512, textHierarchy + "[123]"},
		{queryRequest{path: topPath + "999?targetId=1", client: "off"}, 400, 310133, textDisabledOrgs + "[600]"},
		{queryRequest{path: topPath + "233?targetId=1&periodId=9"}, 400, 310017, textGroup},
		{queryRequest{path: topPath + "234?targetId=1&periodId=9"}, 400, 310134, textGroupOff},
		{queryRequest{path: topPath + "232?targetId=1&periodId=9"}, 400, 310079, textRule},
		{queryRequest{path: topPath + "232?targetId=366&periodId=9"}, 400, 310118, textPeriod},

		{queryRequest{path: rankPath + "x", client: "toponly", body: "["}, 403, 4000, textAccess},
		{queryRequest{path: rankPath + "x", client: "off", body: "["}, 400, 310011, textUser},
		{queryRequest{path: rankPath + "1", client: "off", body: "[", headers: foreign}, 400, 300004, "Invalid input: the body is not valid JSON"},
		{queryRequest{path: rankPath + "1", client: "off", body: `{"orgId":9,"targetGroupId":1,"targetRuleId":1}`, headers: foreign}, 400, 51512, textHierarchy + "[123]"},
		{queryRequest{path: rankPath + "1", client: "off", body: `{"orgId":9,"targetGroupId":1,"targetRuleId":1}`}, 400, 51512, textHierarchy + "[9]"},
	} {
		expectError(t, c.req, s.ask(c.req), c.status, c.code, c.message)
	}
}

func TestQueryErrorsComeWithTheirHeaders(t *testing.T) {
	s := startQueryService(t)
	for _, c := range []struct {
		req          queryRequest
		header, want string
	}{
		{queryRequest{path: topPath + "232?targetId=366", method: http.MethodPut}, "Allow", "GET, HEAD"},
		{queryRequest{path: rankPath + "1", method: http.MethodPut}, "Allow", "GET, HEAD, POST"},
		{queryRequest{path: rankPath + "1", client: "-"}, "WWW-Authenticate", `Basic realm="leaderboard", charset="UTF-8"`},
		{queryRequest{path: rankPath + "1"}, "Cache-Control", "no-store"},
	} {
		if got := s.ask(c.req).header.Get(c.header); got != c.want {
			t.Errorf("%s %s: %s is %q, want %q", c.req.method, c.req.path, c.header, got, c.want)
		}
	}
}

func TestQueryRefusesALargeBody(t *testing.T) {
	s := startQueryService(t, func(cfg *query.Config) { cfg.MaxBodyBytes = 100 })
	body := `{"targetGroupId":232,"targetRuleId":366}`
	fits := body + strings.Repeat(" ", 100-len(body))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		req := queryRequest{method: method, path: rankPath + "1", body: fits}
		if res := s.ask(req); res.status != http.StatusOK {
			t.Errorf("a body of 100 bytes: %d %s", res.status, res.body)
		}
		req.body += " "
		expectError(t, req, s.ask(req), 413, 413, "The body is larger than the 100 bytes that are allowed")
	}
}

func TestQueryLimitsTheRateOfEachClient(t *testing.T) {
	s := startQueryService(t, func(cfg *query.Config) { cfg.RateLimit = 2 })
	req := queryRequest{path: rankPath + "1"}
	for range 2 {
		if res := s.ask(req); res.status != http.StatusOK {
			t.Fatalf("within the limit: %d %s", res.status, res.body)
		}
	}
	res := s.ask(req)
	expectError(t, req, res, 429, 429, "Too many requests, please slow down")
	if got := res.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %q", got)
	}
	if res := s.ask(queryRequest{path: rankPath + "1", client: "sibling"}); res.status != http.StatusOK {
		t.Errorf("another client: %d %s", res.status, res.body)
	}
}

func TestQueryAnswersAPanicAndGoesOn(t *testing.T) {
	var broken atomic.Bool
	s := startQueryService(t, func(cfg *query.Config) {
		cfg.Now = func() time.Time {
			if broken.Load() {
				panic("a secret of the house")
			}
			return queryNow
		}
	})
	req := queryRequest{path: topPath + "232?targetId=366"}
	broken.Store(true)
	expectError(t, req, s.ask(req), 500, 500, textInternal)
	broken.Store(false)
	if res := s.ask(req); res.status != http.StatusOK {
		t.Errorf("after a panic: %d %s", res.status, res.body)
	}
	if got := counterOf(t, s.metrics, "leaderboard_http_panics_total", nil); got != 1 {
		t.Errorf("%v panics counted, want 1", got)
	}
	labels := map[string]string{"route": topPath + "{targetGroupId}", "method": "GET", "status": "500"}
	if got := counterOf(t, s.metrics, "leaderboard_http_requests_total", labels); got != 1 {
		t.Errorf("%v requests with status 500 counted, want 1", got)
	}
}
