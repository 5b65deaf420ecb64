package query

import (
	"fmt"
	"net/http"
	"testing"

	"leaderboard"
)

// familyCatalog has organisation 1 with children 2 and 3, and 4 with three children.
func familyCatalog(t *testing.T) *leaderboard.Catalog {
	t.Helper()
	catalog := leaderboard.NewCatalog()
	for id, parent := range map[int]int{1: 0, 2: 1, 3: 1, 4: 0, 5: 4, 6: 4, 7: 4, 8: 2} {
		record := fmt.Sprintf(`{"orgId":%d,"timeZone":"UTC","parentOrgId":%d,"leaderboardsEnabled":%t}`, id, parent, id != 3)
		if err := catalog.Set(fmt.Sprintf("org:%d", id), []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	return catalog
}

func TestScopedIDs(t *testing.T) {
	const (
		unsupported = "310141: Datascope '%s' is not supported for this 'API'"
		notSet      = "310144: Connected Orgs not set properly in Headers"
		foreign     = "51512: The following orgs are not part of the hierarchy: "
	)
	catalog := familyCatalog(t)
	for _, c := range []struct {
		own         leaderboard.OrgID
		scope, orgs string
		want        string
	}{
		{1, "", "", "[1]"},
		{1, "SELF", "2", "[1]"},
		{1, "OTHER", "2", "[2]"},
		{1, "OTHER", "3,1", "[3 1]"},
		{1, "OTHER", " 2 , 3 ,2", "[2 3]"},
		{1, "OTHER", "1,2,3", notSet},
		{1, "OTHER", "", notSet},
		{1, "OTHER", "2,", notSet},
		{1, "OTHER", "-2", notSet},
		{1, "OTHER", "2;3", notSet},
		{1, "OTHER", "4,2", foreign + "[4]"},
		{1, "OTHER", "8", foreign + "[8]"}, // a grandchild
		{1, "ALL", "", "[1 2 3]"},
		{4, "ALL", "", fmt.Sprintf(unsupported, "ALL")},
		{4, "OTHER", "5,7", "[5 7]"},
		{3, "ALL", "", "[3]"},
		{3, "OTHER", "3", "[3]"},
		{3, "OTHER", "2", foreign + "[2]"},
		{3, "OTHER", "1,2", foreign + "[1, 2]"},
		{9, "SELF", "", "[9]"},
		{1, "Every<one>", "", fmt.Sprintf(unsupported, "Every<one>")},
	} {
		header := http.Header{}
		if c.scope != "" {
			header.Set("DATA-SCOPE", c.scope)
		}
		if c.orgs != "" {
			header.Set("DATA-SCOPE-ORG", c.orgs)
		}
		ids, err := scopedIDs(catalog, c.own, header)
		got := fmt.Sprint(ids)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("org %d, %s %q: %s, want %s", c.own, c.scope, c.orgs, got, c.want)
		}
	}
}

func TestScopeHeadersMayBeRepeatedAndOfBothNames(t *testing.T) {
	header := http.Header{}
	header.Set("DATA-SCOPE", "OTHER")
	header.Add("DATA-SCOPE-ORGS", "2")
	header.Add("DATA-SCOPE-ORGS", "3")
	if ids, err := scopedIDs(familyCatalog(t), 1, header); err != nil || fmt.Sprint(ids) != "[2 3]" {
		t.Errorf("%v, %v", ids, err)
	}
	header.Add("DATA-SCOPE-ORG", "1")
	if ids, err := scopedIDs(familyCatalog(t), 1, header); err == nil {
		t.Errorf("three organisations are accepted: %v", ids)
	}
}

func TestEnabledOrgsNamesEveryOneThatIsOff(t *testing.T) {
	catalog := familyCatalog(t)
	if orgs, err := enabledOrgs(catalog, []leaderboard.OrgID{2, 1}); err != nil || fmt.Sprint(orgs.ids()) != "[2 1]" {
		t.Errorf("%v, %v", orgs.ids(), err)
	}
	_, err := enabledOrgs(catalog, []leaderboard.OrgID{1, 3, 99})
	if want := "310133: Leaderboards are not enabled for the following orgs: [3, 99]"; fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}
