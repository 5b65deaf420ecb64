package query

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRankItemsOfABody(t *testing.T) {
	for body, want := range map[string]string{
		"":                                     "all []",
		"\n":                                   "all []",
		"[]":                                   "[]",
		`{"targetGroupId":2,"targetRuleId":3}`: "[1:2:3:now]",
		`[{"orgId":9,"targetGroupId":2,"targetRuleId":3,"periodId":4}]`:                                         "[9:2:3:4]",
		`[{"targetGroupId":2,"targetRuleId":3},{"targetGroupId":4,"targetRuleId":5,"periodId":null,"more":{}}]`: "[1:2:3:now 1:4:5:now]",
		`[{"targetGroupId":2.0,"targetRuleId":3}]`:                                                              "[1:2:3:now]",
		`[{"targetGroupId":2.5,"targetRuleId":3}]`:                                                              "300004: Invalid input: [0].targetGroupId must be a positive whole number",
		`[{"targetGroupId":2,"targetRuleId":9223372036854775808}]`:                                              "300004: Invalid input: [0].targetRuleId must be a positive whole number",
		`[{"targetGroupId":2,"targetRuleId":3,"orgId":true}]`:                                                   "300004: Invalid input: [0].orgId must be a positive whole number",
		`[{"targetGroupId":2,"targetRuleId":3},null]`:                                                           "300004: Invalid input: [1] must be an object",
		`[{"targetGroupId":2,"targetRuleId":3}]]`:                                                               "300004: Invalid input: the body is not valid JSON",
		`[{"targetGroupId":0,"targetRuleId":3},{]`:                                                              "300004: Invalid input: the body is not valid JSON",
		`[{"targetRuleId":"x"},5]`:                                                                              "300004: Invalid input: [0].targetGroupId must be a positive whole number",
		`[{"targetRuleId":0,"orgId":0,"targetGroupId":2}]`:                                                      "300004: Invalid input: [0].orgId must be a positive whole number",
		`[{"TARGETGROUPID":9,"targetGroupId":2,"target\u0052uleId":3}]`:                                         "[1:2:3:now]",
		`[{"targetGroupId":2,"targetRuleId":3},]`:                                                               "300004: Invalid input: the body is not valid JSON",
		`{"targetGroupId":2,"targetRuleId":3},`:                                                                 "300004: Invalid input: the body is not valid JSON",
		`"a`:                                                                                                    "300004: Invalid input: the body is not valid JSON",
		`7`:                                                                                                     "300004: Invalid input: the body must be an object or an array of objects",
	} {
		asked, err := parseRankItems(&call{Request: httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))}, 1)
		got := fmt.Sprint(err)
		if err == nil {
			got = describe(asked)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func describe(asked *rankItems) string {
	items := []string{}
	for _, item := range asked.items {
		period := "now"
		if item.period != nil {
			period = fmt.Sprint(*item.period)
		}
		items = append(items, fmt.Sprintf("%d:%d:%d:%s", item.org, item.group, item.rule, period))
	}
	text := fmt.Sprint(items)
	if asked.all {
		text = "all " + text
	}
	return text
}

func TestIsJSON(t *testing.T) {
	for contentType, want := range map[string]bool{
		"":                                  true,
		"application/json":                  true,
		"Application/JSON; charset=UTF-8":   true,
		"application/problem+json":          true,
		"application/x-www-form-urlencoded": false,
		"text/plain":                        false,
		";":                                 false,
	} {
		if got := isJSON(contentType); got != want {
			t.Errorf("%q: %t", contentType, got)
		}
	}
}
