package leaderboard

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

const testCatalog = `{"orgs": [
  {"orgId": 1, "name": "Parent", "timeZone": "Asia/Kolkata"},
  {"orgId": 2, "name": "Child", "timeZone": "UTC", "parentOrgId": 1, "leaderboardsEnabled": false}],
 "targetGroups": [
  {"targetGroupId": 10, "orgId": 1, "name": "g", "periods": [
    {"periodId": 1, "refCode": "a", "start": "2022-11-01T00:00:00+05:30", "end": "2022-12-01T00:00:00+05:30"},
    {"periodId": 2, "refCode": "b", "start": "2022-12-01T00:00:00+05:30", "end": "2023-01-01T00:00:00+05:30"}],
   "targets": [{"targetRuleId": 7, "name": "t"}, {"targetRuleId": 8, "name": "u", "aggregate": "min", "order": "asc"}]}]}`

func parseCatalog(t *testing.T, text string) CatalogDocument {
	t.Helper()
	var d CatalogDocument
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCatalogDefaults(t *testing.T) {
	d := parseCatalog(t, testCatalog)
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	g := d.TargetGroups[0]
	if !g.Active || !g.LeaderboardEnabled || !d.Orgs[0].LeaderboardsEnabled || d.Orgs[1].LeaderboardsEnabled {
		t.Errorf("what is not said is not on: %+v %+v", g, d.Orgs)
	}
	if g.Targets[0].Aggregate != Sum || g.Targets[0].Order != Descending || g.Targets[1].Aggregate != Min || g.Targets[1].Order != Ascending {
		t.Errorf("targets are %+v", g.Targets)
	}
	if zone := d.Orgs[0].Location().String(); zone != "Asia/Kolkata" {
		t.Errorf("the time zone is %s", zone)
	}
}

// TestCatalogValidateNamesEverything breaks one thing at a time, and then all.
func TestCatalogValidateNamesEverything(t *testing.T) {
	breaks := []struct{ from, to, want string }{
		{`"orgId": 2, "name"`, `"orgId": 1, "name"`, "org 1: is there twice"},
		{`"timeZone": "UTC"`, `"timeZone": "Mars/Olympus"`, `timeZone "Mars/Olympus" is not an IANA time zone`},
		{`"timeZone": "UTC"`, `"timeZone": ""`, `timeZone "" is not`},
		{`"parentOrgId": 1`, `"parentOrgId": 99`, "parentOrgId 99 is not an organisation of the catalog"},
		{`"parentOrgId": 1`, `"parentOrgId": 2`, "parentOrgId 2 is not another organisation"},
		{`"Asia/Kolkata"}`, `"Asia/Kolkata", "parentOrgId": 2}`, "org 1: is its own ancestor"},
		{`"Asia/Kolkata"}`, `"Asia/Kolkata", "enrichment": ["x", "x"]}`, `enrichment "x"`},
		{`"Asia/Kolkata"}`, `"Asia/Kolkata", "enrichment": ["email"]}`, `enrichment "email"`},
		{`"targetGroupId": 10`, `"targetGroupId": 0`, "targetGroupId is missing or not positive"},
		{`10, "orgId": 1`, `10, "orgId": 3`, "orgId 3 is not an organisation of the catalog"},
		{`"periodId": 2`, `"periodId": 1`, "periodId 1 is missing, not positive, or there twice"},
		{`"start": "2022-12-01`, `"start": "2022-11-30`, "periods 1 and 2 overlap"},
		{`"end": "2023-01-01`, `"end": "2022-12-01`, "is not before end"},
		{`"targetRuleId": 8`, `"targetRuleId": 7`, "targetRuleId 7 is missing, not positive, or there twice"},
		{`"min"`, `"avg"`, `aggregate "avg" is not one of`},
		{`"asc"`, `"up"`, `order "up" is not one of`},
	}
	for _, b := range breaks {
		text := strings.Replace(testCatalog, b.from, b.to, 1)
		d := parseCatalog(t, text)
		if err := d.Validate(); err == nil || !strings.Contains(err.Error(), b.want) {
			t.Errorf("with %s the catalog gives %v, want %q", b.to, err, b.want)
		}
	}
	several := strings.NewReplacer(`"UTC"`, `"Mars/Olympus"`, `"parentOrgId": 1`, `"parentOrgId": 99`, `"min"`, `"avg"`, `"asc"`, `"up"`).Replace(testCatalog)
	d := parseCatalog(t, several)
	err := d.Validate()
	for _, want := range []string{"Mars/Olympus", "parentOrgId 99", `"avg"`, `"up"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of several mistakes %q is not named in: %v", want, err)
		}
	}
}

func TestCatalogGroupIsOfOneOrg(t *testing.T) {
	d := parseCatalog(t, testCatalog)
	twin := d.TargetGroups[0]
	twin.OrgID = 2
	d.TargetGroups = append(d.TargetGroups, twin)
	if err := d.Validate(); err == nil || !strings.Contains(err.Error(), "target group 10: is of org 1 and of org 2") {
		t.Errorf("a group of two organisations gives %v", err)
	}
}

func TestPeriodAtIncludesStartAndExcludesEnd(t *testing.T) {
	d := parseCatalog(t, testCatalog)
	g := d.TargetGroups[0]
	at := func(s string) PeriodID {
		instant, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		if p := g.PeriodAt(MillisOf(instant)); p != nil {
			return p.PeriodID
		}
		return 0
	}
	for instant, want := range map[string]PeriodID{
		"2022-10-31T18:29:59.999Z": 0,
		"2022-10-31T18:30:00.000Z": 1,
		"2022-11-30T18:29:59.999Z": 1,
		"2022-11-30T18:30:00.000Z": 2,
		"2022-12-31T18:29:59.999Z": 2,
		"2022-12-31T18:30:00.000Z": 0,
	} {
		if got := at(instant); got != want {
			t.Errorf("at %s the period is %d, want %d", instant, got, want)
		}
	}
}

func TestCatalogSet(t *testing.T) {
	c := NewCatalog()
	set := func(key, value string) error {
		if value == "" {
			return c.Set(key, nil)
		}
		return c.Set(key, []byte(value))
	}
	for _, refused := range [][2]string{
		{"org:1", `{`},
		{"org:1", `{"orgId": 2, "timeZone": "UTC"}`},
		{"org:1", `{"orgId": 1, "timeZone": "nowhere"}`},
		{"group:1:10", `{"orgId": 2, "targetGroupId": 10}`},
		{"group:1:10", `{"orgId": 1, "targetGroupId": 10, "targets": [{"targetRuleId": 1, "order": "up"}]}`},
		{"planet:1", `{}`},
		{"org:x", ""},
		{"group:1", ""},
	} {
		if err := set(refused[0], refused[1]); err == nil {
			t.Errorf("record %s %s is accepted", refused[0], refused[1])
		}
	}
	for _, accepted := range [][2]string{
		{"org:1", `{"orgId": 1, "timeZone": "UTC"}`},
		{"org:3", `{"orgId": 3, "timeZone": "UTC", "parentOrgId": 1}`},
		{"org:2", `{"orgId": 2, "timeZone": "UTC", "parentOrgId": 1}`},
		{"group:2:10", `{"orgId": 2, "targetGroupId": 10}`},
	} {
		if err := set(accepted[0], accepted[1]); err != nil {
			t.Errorf("record %s: %v", accepted[0], err)
		}
	}
	if children := c.Children(1); len(children) != 2 || children[0] != 2 || children[1] != 3 {
		t.Errorf("the children of 1 are %v", children)
	}
	before := c.Clone()
	_ = set("group:1:10", `{"orgId": 1, "targetGroupId": 10}`)
	if owner := c.Group(10).OrgID; owner != 1 {
		t.Errorf("the group claimed by 1 and 2 is of %d", owner)
	}
	if owner := before.Group(10).OrgID; owner != 2 {
		t.Errorf("the clone's group is of %d", owner)
	}
	_ = set("group:1:10", "")
	_ = set("group:2:10", "")
	_ = set("org:3", "")
	if c.Group(10) != nil || c.Org(3) != nil || c.Org(1) == nil || len(c.Document().Orgs) != 2 {
		t.Errorf("after the tombstones the catalog is %+v", c.Document())
	}
}

func TestUserKeys(t *testing.T) {
	if org, user, err := ParseUserKey(UserKey(50711, 381329844)); err != nil || org != 50711 || user != 381329844 {
		t.Errorf("the key comes back as %d, %d (%v)", org, user, err)
	}
	for _, s := range []string{"", "1", "1:", ":2", "1:2:3", "1:2x", "-1:2", "01:2", "1: 2"} {
		if _, _, err := ParseUserKey(s); err == nil {
			t.Errorf("key %q is accepted", s)
		}
	}
}

func TestParseProfile(t *testing.T) {
	if p, err := ParseProfile([]byte(`{"orgId":1,"userId":2,"attributes":{"mobile":"3"}}`)); err != nil || p.Attributes["mobile"] != "3" {
		t.Errorf("the profile is %+v (%v)", p, err)
	}
	for _, s := range []string{``, `[]`, `{}`, `{"orgId":1}`, `{"orgId":1,"userId":2,"attributes":{"mobile":3}}`} {
		if _, err := ParseProfile([]byte(s)); err == nil {
			t.Errorf("profile %q is accepted", s)
		}
	}
}
