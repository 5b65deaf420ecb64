// Package decodetest has records of the activities topic with what becomes of them,
// for the tests of whoever judges records: the decoder and the JSON Schemas of
// docs/events.
package decodetest

import (
	"fmt"
	"strings"
	"time"

	"leaderboard"
)

// Published is the Kafka timestamp of the records.
var Published = leaderboard.MillisOf(time.Date(2024, 6, 24, 12, 7, 0, 0, time.UTC))

// Native is an activity.
const Native = `{"eventId": "58aa15c9", "type": "activity", "orgId": 50711, "userId": 381329844,
 "targetGroupId": 232, "targetRuleId": 366, "periodId": 243, "value": 250.5, "activityTime": "2022-11-25T16:14:40.000Z"}`

// The two forms of the notification as its documentation shows them, stray spaces
// in names included.
const (
	Wrapped = `{"eventId": "58aa15c9-1a08-422d-9272-f2a1cdc3f8c1", "eventType": "1000006_targetAchievedValueUpdated",
 "consumerGroupId": null, " timeStamp": 1683867642403,
 "attributes": {"createdAt": 1683867642385, "data": {
   "customerIdentifiers": {"customerId": 85950037}, "eventName": "TransactionAdd", "eventId": 15,
   "targetDetails": {"id": 243, "name": "Reward", " targetGroupId ": 163, "targetPeriodId": 61},
   "currentE ventTargetValue": "1", "achievedTargetValue ": "14.000", "definedTargetValue": "1.000"},
  "eventName": "targetAchievedValueUpdated", "refId": "x", "orgId": 1000006}}`
	Flat = `{"eventName": "targetAchievedValueUpdated", "eventLogId": 6566, "data": {"eventName": "RAR",
   "customerIdentifiers": {"instore": {"mobile": "1"}, "customerId": 85950037},
   "achievedTargetValue": "14.000", "targetDetails": {"id": 243, "targetGroupId": 163, "targetPeriodId": 61}},
  "eventId": "58aa15c9-1a08-422d-9272-f2a1cdc3f8c1", " createdAt": 1683867642385, "orgId": 1000006}`
)

// Accepted is a record that is an activity.
type Accepted struct {
	Name, Record string
	Activity     leaderboard.Activity
}

// AcceptedRecords are those of every kind.
func AcceptedRecords() []Accepted {
	november := leaderboard.Millis(1669392880000)
	base := leaderboard.Activity{
		EventID: "58aa15c9", Type: "activity", OrgID: 50711, UserID: 381329844, GroupID: 232, RuleID: 366, Period: 243,
		Value: 250_500, Time: november,
	}
	with := func(change func(*leaderboard.Activity)) leaderboard.Activity {
		a := base
		change(&a)
		return a
	}
	notification := leaderboard.Activity{
		EventID: "58aa15c9-1a08-422d-9272-f2a1cdc3f8c1", Type: "total", OrgID: 1000006, UserID: 85950037, GroupID: 163,
		RuleID: 243, Period: 61, Value: 14_000, Time: 1683867642385,
	}
	replace := func(old, with string) string { return strings.Replace(Native, old, with, 1) }
	return []Accepted{
		{"native", Native, base},
		{"value as a string", replace(`250.5`, `"250.50"`), base},
		{"rounded", replace(`250.5`, `250.4995`), base},
		{"negative", replace(`250.5`, `-250.5`), with(func(a *leaderboard.Activity) { a.Value = -250_500 })},
		{"default value", replace(`"value": 250.5, `, ``), with(func(a *leaderboard.Activity) { a.Value = 1000 })},
		{"null value", replace(`250.5`, `null`), with(func(a *leaderboard.Activity) { a.Value = 1000 })},
		{"default type", replace(`"type": "activity", `, ``), base},
		{"time in milliseconds", replace(`"2022-11-25T16:14:40.000Z"`, `1669392880000`), base},
		{"time with a zone", replace(`2022-11-25T16:14:40.000Z`, `2022-11-25T21:44:40+05:30`), base},
		{"time cut", replace(`40.000Z`, `40.0009Z`), base},
		{"time 1970", replace(`"2022-11-25T16:14:40.000Z"`, `0`), with(func(a *leaderboard.Activity) { a.Time = 0 })},
		{"no period", replace(`"periodId": 243, `, ``), with(func(a *leaderboard.Activity) { a.Period = 0 })},
		{"no event id", replace(`"eventId": "58aa15c9", `, ``), with(func(a *leaderboard.Activity) { a.EventID = "" })},
		{"total", replace(`"activity"`, `"total"`), with(func(a *leaderboard.Activity) { a.Type = "total" })},
		{
			"enrol",
			strings.Replace(replace(`"activity"`, `"enrol"`), `"value": 250.5, `, ``, 1),
			with(func(a *leaderboard.Activity) { a.Type, a.Value = "enrol", 0 }),
		},
		{
			"withdraw",
			strings.Replace(replace(`"activity"`, `"withdraw"`), `250.5`, `"ignored"`, 1),
			with(func(a *leaderboard.Activity) { a.Type, a.Value = "withdraw", 0 }),
		},
		{
			"erase",
			`{"type": "erase", "orgId": 50711, "userId": 381329844, "eventId": "58aa15c9"}`,
			leaderboard.Activity{EventID: "58aa15c9", Type: "erase", OrgID: 50711, UserID: 381329844, Time: Published},
		},
		{"unknown fields", replace(`{`, `{"ORGID": 1, "data": {"x": [1, {}]}, "attributes": 5, `), base},
		{"escaped name", replace(`"orgId"`, `"org\u0049d"`), base},
		{"wrapped", Wrapped, notification},
		{"flat", Flat, notification},
		{
			"without event name",
			strings.Replace(Flat, `"eventName": "targetAchievedValueUpdated", `, ``, 1), notification,
		},
	}
}

// Rejected is a record that goes to the dead letters, with the reason, and what the
// detail names.
type Rejected struct{ Record, Reason, Detail string }

// RejectedRecords are those of every kind that can be told without a catalog.
func RejectedRecords() []Rejected {
	replace := func(old, with string) string { return strings.Replace(Native, old, with, 1) }
	all := []Rejected{
		{"", "not_json", "not JSON"},
		{"nonsense", "not_json", "not JSON"},
		{Native[:len(Native)-1], "not_json", "not JSON"},
		{Native + Native, "not_json", "after its JSON object"},
		{"[" + Native + "]", "not_json", "not a JSON object"},
		{"5", "not_json", "not a JSON object"},
		{"null", "not_json", "not a JSON object"},
		{replace("58aa15c9", "\xff\xfe"), "not_json", "UTF-8"},
		{"{}", "missing_field", "orgId"},
		{`{"type": "erase", "orgId": 50711}`, "missing_field", "userId"},
		{replace(`250.5`, `"two"`), "invalid_field", "value"},
		{replace(`250.5`, `true`), "invalid_field", "value"},
		{replace(`250.5`, `{}`), "invalid_field", "value"},
		{replace(`"activity"`, `"bonus"`), "invalid_field", "type"},
		{replace(`"activity"`, `5`), "invalid_field", "type"},
		{replace(`"58aa15c9"`, `5`), "invalid_field", "eventId"},
		{replace(`250.5`, `9007199254740.992`), "value_out_of_range", "value"},
		{replace(`250.5`, `"-9e99"`), "value_out_of_range", "value"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `-1`), "time_out_of_range", "activityTime"},
		{replace(`2022-11-25`, `1969-12-31`), "time_out_of_range", "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, fmt.Sprint(Published+24*3600*1000+1)), "time_out_of_range", "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `99999999999999999999`), "time_out_of_range", "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `"yesterday"`), "invalid_field", "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `1669392880000.5`), "invalid_field", "activityTime"},
		{strings.Replace(replace(`"activity"`, `"total"`), `"value": 250.5, `, ``, 1), "missing_field", "value"},
		{strings.Replace(Flat, `"targetAchievedValueUpdated"`, `"targetPeriodStarted"`, 1), "invalid_field", "eventName"},
		{strings.Replace(Flat, `"14.000"`, `"ZQRKTKE"`, 1), "invalid_field", "data.achievedTargetValue"},
		{strings.Replace(Flat, `"customerId"`, `"other"`, 1), "missing_field", "data.customerIdentifiers.customerId"},
		{strings.Replace(Flat, `"targetDetails": {`, `"targetDetails": 5, "x": {`, 1), "missing_field", "data.targetDetails.targetGroupId"},
		{strings.Replace(Wrapped, `"createdAt"`, `"x"`, 1), "missing_field", "createdAt"},
		{`{"eventName": "targetAchievedValueUpdated"}`, "missing_field", "data"},
	}
	for _, field := range []string{"orgId", "userId", "targetGroupId", "targetRuleId", "periodId"} {
		for _, value := range []string{`"7"`, `0`, `-7`, `7.5`, `1e3`, `{}`, `99999999999999999999`} {
			all = append(all, Rejected{replace(`"`+field+`": `, `"`+field+`": `+value+`, "x`+field+`": `), "invalid_field", field})
		}
		if field != "periodId" {
			all = append(all,
				Rejected{replace(`"`+field+`"`, `"x"`), "missing_field", field},
				Rejected{replace(`"`+field+`": `, `"`+field+`": null, "x": `), "missing_field", field})
		}
	}
	return append(all,
		Rejected{replace(`"activityTime"`, `"x"`), "missing_field", "activityTime"},
		Rejected{replace(`"2022-11-25T16:14:40.000Z"`, `null`), "missing_field", "activityTime"})
}
