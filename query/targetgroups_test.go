package query

import (
	"testing"
	"time"

	"leaderboard"
)

func TestTargetGroupsAreWritten(t *testing.T) {
	catalog := leaderboard.NewCatalog()
	for key, record := range map[string]string{
		"org:1":      `{"orgId":1,"name":"A & B","timeZone":"Asia/Kolkata"}`,
		"org:2":      `{"orgId":2,"name":"Child","timeZone":"UTC","parentOrgId":1}`,
		"group:1:20": `{"targetGroupId":20,"orgId":1,"name":"Off","leaderboardEnabled":false,"periods":[],"targets":[]}`,
		"group:1:21": `{"targetGroupId":21,"orgId":1,"name":"Inactive","active":false,"periods":[],"targets":[]}`,
		"group:1:22": `{"targetGroupId":22,"orgId":1,"name":"On","periods":[
			{"periodId":1,"refCode":"before","start":"2022-11-01T00:00:00+05:30","end":"2022-12-01T00:00:00+05:30"},
			{"periodId":2,"refCode":"now","start":"2022-12-01T00:00:00+05:30","end":"2023-01-01T00:00:00+05:30"}],
			"targets":[{"targetRuleId":9,"name":"slow","order":"asc"},{"targetRuleId":8,"name":"fast"}]}`,
	} {
		if err := catalog.Set(key, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
	now := leaderboard.MillisOf(time.Date(2022, time.December, 24, 0, 0, 0, 0, time.UTC))
	data := &groupsData{view: newView(leaderboard.Layout{}, catalog), orgs: scope{catalog.Org(1), catalog.Org(2)}, now: now}
	type period struct {
		PeriodID      int    `json:"periodId"`
		PeriodRefCode string `json:"periodRefCode"`
		StartTime     string `json:"startTime"`
		StartTimeISO  string `json:"startTimeISO"`
		EndTime       string `json:"endTime"`
		EndTimeISO    string `json:"endTimeISO"`
		Running       bool   `json:"running"`
	}
	type target struct {
		TargetRuleID   int    `json:"targetRuleId"`
		TargetRuleName string `json:"targetRuleName"`
		Order          string `json:"order"`
	}
	type group struct {
		TargetGroupID   int      `json:"targetGroupId"`
		TargetGroupName string   `json:"targetGroupName"`
		Targets         []target `json:"targets"`
		Periods         []period `json:"periods"`
	}
	type org struct {
		OrgID        int     `json:"orgId"`
		OrgName      string  `json:"orgName"`
		TargetGroups []group `json:"targetGroups"`
	}
	type orgs struct {
		Orgs []org `json:"orgs"`
	}
	expectWritten(t, &envelope{data: data}, answerDocument{
		Data: orgs{[]org{
			{1, "A & B", []group{{
				22, "On", []target{{8, "fast", "desc"}, {9, "slow", "asc"}}, []period{
					{1, "before", "2022-11-01T00:00:00.000IST", "2022-10-31T18:30:00.000Z", "2022-12-01T00:00:00.000IST", "2022-11-30T18:30:00.000Z", false},
					{2, "now", "2022-12-01T00:00:00.000IST", "2022-11-30T18:30:00.000Z", "2023-01-01T00:00:00.000IST", "2022-12-31T18:30:00.000Z", true},
				},
			}}},
			{2, "Child", []group{}},
		}},
		Errors: []errorDocument{}, Warnings: []warningDocument{},
	})
}
