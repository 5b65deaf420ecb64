package query

import (
	"bytes"
	"slices"

	"leaderboard"
)

// The fields of a user in an answer, in the documented order.
var (
	topTemplate  = []string{"birthday", "gender", "mobile", "last_name", "first_name", "anniversary", "email"}
	rankTemplate = leaderboard.StandardAttributes
)

// What stands in for a field that the profile lacks.
const (
	missingStandard = ""
	missingExtra    = "NOT-CAPTURED"
)

// topFields are the fields of the ranked list: the template, as far as the
// organisation has the field, then its other extras in the order it names them.
func topFields(org *leaderboard.Org) []string {
	var fields []string
	for _, field := range topTemplate {
		if isStandard(field) || slices.Contains(org.Enrichment, field) {
			fields = append(fields, field)
		}
	}
	for _, field := range org.Enrichment {
		if !slices.Contains(topTemplate, field) {
			fields = append(fields, field)
		}
	}
	return fields
}

func isStandard(field string) bool { return slices.Contains(leaderboard.StandardAttributes, field) }

// enrichment is a JSON object of the fields, in their order.
type enrichment struct {
	fields     []string
	attributes map[string]string
}

// MarshalJSON writes every field; encoding/json has no map that keeps its order.
func (e enrichment) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	for i, field := range e.fields {
		value, ok := e.attributes[field]
		switch {
		case ok:
		case isStandard(field):
			value = missingStandard
		default:
			value = missingExtra
		}
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		buf.WriteByte(separator)
		for j, s := range []string{field, value} {
			text, err := encode(s)
			if err != nil {
				return nil, err
			}
			if j == 1 {
				buf.WriteByte(':')
			}
			buf.Write(text)
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}
