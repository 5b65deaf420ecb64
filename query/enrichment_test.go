package query

import (
	"slices"
	"testing"

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
		if got := topFields(&leaderboard.Org{Enrichment: c.extras}); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.extras, got, c.want)
		}
	}
}

func TestEnrichmentFillsWhatIsMissing(t *testing.T) {
	e := enrichment{[]string{"tier", "mobile", "gender", "email"}, map[string]string{"gender": "", "email": `"<é>"`, "birthday": "not asked"}}
	const want = `{"tier":"NOT-CAPTURED","mobile":"","gender":"","email":"\"<é>\""}`
	if got, err := encode(e); err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
