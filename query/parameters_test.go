package query

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func topRequest(group, rawQuery string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/?"+rawQuery, http.NoBody)
	r.SetPathValue("targetGroupId", group)
	return r
}

func TestTopParametersNameTheEntriesOfTheAnswer(t *testing.T) {
	for _, c := range []struct {
		query       string
		first, last int64
		warnings    int
	}{
		{"targetId=1", 0, 9, 0},
		{"targetId=1&pageOffset=3", 30, 39, 0},
		{"targetId=1&pageOffset=2&pageSize=5&pageLimit=3", 10, 24, 0},
		{"targetId=1&pageSize=101&pageLimit=101&pageOffset=-9", 0, 9999, 3},
		{"targetId=1&pageSize=100&pageLimit=100&pageOffset=9223372036854775807", 214748364700, 214748374699, 0},
	} {
		p, err := parseTopParameters(topRequest("7", c.query))
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		pages, warnings := p.pages.capped()
		if pages.first() != c.first || pages.last() != c.last || len(warnings) != c.warnings {
			t.Errorf("%s: entries %d to %d, warnings %v", c.query, pages.first(), pages.last(), warnings)
		}
	}
}

func TestTopParametersTellTheFirstMistake(t *testing.T) {
	for query, want := range map[string]string{
		"":                             "targetId is missing",
		"targetId=":                    "targetId is missing",
		"targetId=1.0&periodId=x":      "targetId must be a whole number",
		"targetId=1&periodId=+1":       "periodId must be a whole number",
		"targetId=1&pageSize=0&x=1":    "pageSize must be at least 1",
		"targetId=1&pageSize=1e2":      "pageSize must be a whole number",
		"targetId=1&pageLimit=0":       "pageLimit must be at least 1",
		"targetId=1&a;b":               "the query string is malformed",
		"pageSize=x&targetId=x&x=%41":  "targetId must be a whole number",
		"targetId=1&pageOffset=0x1000": "pageOffset must be a whole number",
	} {
		_, err := parseTopParameters(topRequest("7", query))
		if got := fmt.Sprint(err); got != "300004: Invalid input: "+want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}
