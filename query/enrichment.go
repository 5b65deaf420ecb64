package query

import (
	"slices"

	"leaderboard"
)

// topTemplate are the fields of a user in the ranked list, in the documented order.
var topTemplate = []string{"birthday", "gender", "mobile", "last_name", "first_name", "anniversary", "email"}

// rankFields are those in the ranks of a user.
var rankFields = newFields(leaderboard.StandardAttributes)

// What stands in for a field that the profile lacks.
const (
	missingStandard = ""
	missingExtra    = "NOT-CAPTURED"
)

// topFields are the fields of the ranked list: the template, as far as the
// organisation has the field, then its other extras in the order it names them.
func topFields(org *leaderboard.Org) *fields {
	var names []string
	for _, name := range topTemplate {
		if isStandard(name) || slices.Contains(org.Enrichment, name) {
			names = append(names, name)
		}
	}
	for _, name := range org.Enrichment {
		if !slices.Contains(topTemplate, name) {
			names = append(names, name)
		}
	}
	return newFields(names)
}

func isStandard(name string) bool { return slices.Contains(leaderboard.StandardAttributes, name) }

// fields are what an answer tells of a user's profile. All three have one element
// a field, in the answer's order.
type fields struct {
	names []string
	// labels are the names as their members begin in JSON: {"mobile": and ,"email":
	labels []string
	// missing are the values of a user without a profile.
	missing []string
}

func newFields(names []string) *fields {
	f := &fields{names: names}
	for i, name := range names {
		separator, missing := ",", missingExtra
		if i == 0 {
			separator = "{"
		}
		if isStandard(name) {
			missing = missingStandard
		}
		f.labels = append(f.labels, string(appendText([]byte(separator), name))+":")
		f.missing = append(f.missing, missing)
	}
	return f
}

// append appends the values as a JSON object.
func (f *fields) append(b []byte, values []string) []byte {
	for i, label := range f.labels {
		b = appendString(b, label, values[i])
	}
	return append(b, '}')
}
