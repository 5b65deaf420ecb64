package query

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"leaderboard"
)

func TestTopFieldsFollowTheTemplate(t *testing.T) {
	for _, c := range []struct{ extras, want []string }{
		{nil, []string{"mobile", "last_name", "first_name", "email"}},
		{[]string{"anniversary", "birthday"}, []string{"birthday", "mobile", "last_name", "first_name", "anniversary", "email"}},
		{
			[]string{"zip", "gender", "age", "anniversary", "birthday"},
			[]string{"birthday", "gender", "mobile", "last_name", "first_name", "anniversary", "email", "zip", "age"},
		},
	} {
		if got := topFields(&leaderboard.Org{Enrichment: c.extras}).names; !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.extras, got, c.want)
		}
	}
}

func TestEnrichmentFillsWhatIsMissing(t *testing.T) {
	f := newFields([]string{"tier", "mobile", "gender", "email", "<\"é\">"})
	values, err := f.profile(`{"orgId":1,"userId":2,"attributes":{"gender":"","email":"\"<é>\"","birthday":"not asked"}}`)
	const want = `{"tier":"NOT-CAPTURED","mobile":"","gender":"","email":"\"<é>\"","<\"é\">":"NOT-CAPTURED"}`
	if got := string(f.append(nil, values)); err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// catalogOrg is an organisation in a zone, with extra fields.
func catalogOrg(t *testing.T, zone *time.Location, extras ...string) *leaderboard.Org {
	t.Helper()
	record, err := json.Marshal(leaderboard.Org{OrgID: 1, TimeZone: zone.String(), LeaderboardsEnabled: true, Enrichment: extras})
	if err != nil {
		t.Fatal(err)
	}
	catalog := leaderboard.NewCatalog()
	if err := catalog.Set("org:1", record); err != nil {
		t.Fatal(err)
	}
	return catalog.Org(1)
}
