package consumer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"leaderboard"
)

// published is the Kafka timestamp of the records in these tests.
var published = leaderboard.MillisOf(time.Date(2024, 6, 24, 12, 7, 0, 0, time.UTC))

const native = `{"eventId": "58aa15c9", "type": "activity", "orgId": 50711, "userId": 381329844,
 "targetGroupId": 232, "targetRuleId": 366, "periodId": 243, "value": 250.5, "activityTime": "2022-11-25T16:14:40.000Z"}`

// The two forms of the notification as its documentation shows them, stray spaces
// in names included.
const (
	wrapped = `{"eventId": "58aa15c9-1a08-422d-9272-f2a1cdc3f8c1", "eventType": "1000006_targetAchievedValueUpdated",
 "consumerGroupId": null, " timeStamp": 1683867642403,
 "attributes": {"createdAt": 1683867642385, "data": {
   "customerIdentifiers": {"customerId": 85950037}, "eventName": "TransactionAdd", "eventId": 15,
   "targetDetails": {"id": 243, "name": "Reward", " targetGroupId ": 163, "targetPeriodId": 61},
   "currentE ventTargetValue": "1", "achievedTargetValue ": "14.000", "definedTargetValue": "1.000"},
  "eventName": "targetAchievedValueUpdated", "refId": "x", "orgId": 1000006}}`
	flat = `{"eventName": "targetAchievedValueUpdated", "eventLogId": 6566, "data": {"eventName": "RAR",
   "customerIdentifiers": {"instore": {"mobile": "1"}, "customerId": 85950037},
   "achievedTargetValue": "14.000", "targetDetails": {"id": 243, "targetGroupId": 163, "targetPeriodId": 61}},
  "eventId": "58aa15c9-1a08-422d-9272-f2a1cdc3f8c1", " createdAt": 1683867642385, "orgId": 1000006}`
)

func TestDecodeActivity(t *testing.T) {
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
	replace := func(old, with string) string { return strings.Replace(native, old, with, 1) }
	for name, test := range map[string]struct {
		record string
		want   leaderboard.Activity
	}{
		"native":               {native, base},
		"value as a string":    {replace(`250.5`, `"250.50"`), base},
		"rounded":              {replace(`250.5`, `250.4995`), base},
		"negative":             {replace(`250.5`, `-250.5`), with(func(a *leaderboard.Activity) { a.Value = -250_500 })},
		"default value":        {replace(`"value": 250.5, `, ``), with(func(a *leaderboard.Activity) { a.Value = 1000 })},
		"null value":           {replace(`250.5`, `null`), with(func(a *leaderboard.Activity) { a.Value = 1000 })},
		"default type":         {replace(`"type": "activity", `, ``), base},
		"time in milliseconds": {replace(`"2022-11-25T16:14:40.000Z"`, `1669392880000`), base},
		"time with a zone":     {replace(`2022-11-25T16:14:40.000Z`, `2022-11-25T21:44:40+05:30`), base},
		"time cut":             {replace(`40.000Z`, `40.0009Z`), base},
		"time 1970":            {replace(`"2022-11-25T16:14:40.000Z"`, `0`), with(func(a *leaderboard.Activity) { a.Time = 0 })},
		"no period":            {replace(`"periodId": 243, `, ``), with(func(a *leaderboard.Activity) { a.Period = 0 })},
		"no event id":          {replace(`"eventId": "58aa15c9", `, ``), with(func(a *leaderboard.Activity) { a.EventID = "" })},
		"total":                {replace(`"activity"`, `"total"`), with(func(a *leaderboard.Activity) { a.Type = "total" })},
		"enrol": {
			strings.Replace(replace(`"activity"`, `"enrol"`), `"value": 250.5, `, ``, 1),
			with(func(a *leaderboard.Activity) { a.Type, a.Value = "enrol", 0 }),
		},
		"withdraw": {
			strings.Replace(replace(`"activity"`, `"withdraw"`), `250.5`, `"ignored"`, 1),
			with(func(a *leaderboard.Activity) { a.Type, a.Value = "withdraw", 0 }),
		},
		"erase": {
			`{"type": "erase", "orgId": 50711, "userId": 381329844, "eventId": "58aa15c9"}`,
			leaderboard.Activity{EventID: "58aa15c9", Type: "erase", OrgID: 50711, UserID: 381329844, Time: published},
		},
		"unknown fields": {replace(`{`, `{"ORGID": 1, "data": {"x": [1, {}]}, "attributes": 5, `), base},
		"escaped name":   {replace(`"orgId"`, `"org\u0049d"`), base},
		"wrapped":        {wrapped, notification},
		"flat":           {flat, notification},
		"without event name": {
			strings.Replace(flat, `"eventName": "targetAchievedValueUpdated", `, ``, 1), notification,
		},
	} {
		got, err := DecodeActivity([]byte(test.record), published)
		if err != nil || got != test.want {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, test.want)
		}
	}
}

// rejections are records that go to the dead letters, each with its reason and
// the field that its detail names.
func rejections() []struct {
	record string
	reason Reason
	detail string
} {
	type rejection = struct {
		record string
		reason Reason
		detail string
	}
	replace := func(old, with string) string { return strings.Replace(native, old, with, 1) }
	all := []rejection{
		{"", ReasonNotJSON, "not JSON"},
		{"nonsense", ReasonNotJSON, "not JSON"},
		{native[:len(native)-1], ReasonNotJSON, "not JSON"},
		{native + native, ReasonNotJSON, "after its JSON object"},
		{"[" + native + "]", ReasonNotJSON, "not a JSON object"},
		{"5", ReasonNotJSON, "not a JSON object"},
		{"null", ReasonNotJSON, "not a JSON object"},
		{replace("58aa15c9", "\xff\xfe"), ReasonNotJSON, "UTF-8"},
		{"{}", ReasonMissingField, "orgId"},
		{`{"type": "erase", "orgId": 50711}`, ReasonMissingField, "userId"},
		{replace(`250.5`, `"two"`), ReasonInvalidField, "value"},
		{replace(`250.5`, `true`), ReasonInvalidField, "value"},
		{replace(`250.5`, `{}`), ReasonInvalidField, "value"},
		{replace(`"activity"`, `"bonus"`), ReasonInvalidField, "type"},
		{replace(`"activity"`, `5`), ReasonInvalidField, "type"},
		{replace(`"58aa15c9"`, `5`), ReasonInvalidField, "eventId"},
		{replace(`250.5`, `9007199254740.992`), ReasonValueOutOfRange, "value"},
		{replace(`250.5`, `"-9e99"`), ReasonValueOutOfRange, "value"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `-1`), ReasonTimeOutOfRange, "activityTime"},
		{replace(`2022-11-25`, `1969-12-31`), ReasonTimeOutOfRange, "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, fmt.Sprint(published+24*3600*1000+1)), ReasonTimeOutOfRange, "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `99999999999999999999`), ReasonTimeOutOfRange, "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `"yesterday"`), ReasonInvalidField, "activityTime"},
		{replace(`"2022-11-25T16:14:40.000Z"`, `1669392880000.5`), ReasonInvalidField, "activityTime"},
		{strings.Replace(replace(`"activity"`, `"total"`), `"value": 250.5, `, ``, 1), ReasonMissingField, "value"},
		{strings.Replace(flat, `"targetAchievedValueUpdated"`, `"targetPeriodStarted"`, 1), ReasonInvalidField, "eventName"},
		{strings.Replace(flat, `"14.000"`, `"ZQRKTKE"`, 1), ReasonInvalidField, "data.achievedTargetValue"},
		{strings.Replace(flat, `"customerId"`, `"other"`, 1), ReasonMissingField, "data.customerIdentifiers.customerId"},
		{strings.Replace(flat, `"targetDetails": {`, `"targetDetails": 5, "x": {`, 1), ReasonMissingField, "data.targetDetails.targetGroupId"},
		{strings.Replace(wrapped, `"createdAt"`, `"x"`, 1), ReasonMissingField, "createdAt"},
		{`{"eventName": "targetAchievedValueUpdated"}`, ReasonMissingField, "data"},
	}
	for _, field := range []string{"orgId", "userId", "targetGroupId", "targetRuleId", "periodId"} {
		for _, value := range []string{`"7"`, `0`, `-7`, `7.5`, `1e3`, `{}`, `99999999999999999999`} {
			all = append(all, rejection{replace(`"`+field+`": `, `"`+field+`": `+value+`, "x`+field+`": `), ReasonInvalidField, field})
		}
		if field != "periodId" {
			all = append(all,
				rejection{replace(`"`+field+`"`, `"x"`), ReasonMissingField, field},
				rejection{replace(`"`+field+`": `, `"`+field+`": null, "x": `), ReasonMissingField, field})
		}
	}
	return append(all,
		rejection{replace(`"activityTime"`, `"x"`), ReasonMissingField, "activityTime"},
		rejection{replace(`"2022-11-25T16:14:40.000Z"`, `null`), ReasonMissingField, "activityTime"})
}

func TestDecodeActivityRejects(t *testing.T) {
	for _, test := range rejections() {
		_, err := DecodeActivity([]byte(test.record), published)
		var r *Rejection
		if !errors.As(err, &r) || r.Reason != test.reason || !strings.Contains(r.Detail, test.detail) {
			t.Errorf("%s\ngave %v, want %s naming %q", test.record, err, test.reason, test.detail)
		}
	}
}

func TestDecodeActivityUpToADayAhead(t *testing.T) {
	record := strings.Replace(native, `"2022-11-25T16:14:40.000Z"`, fmt.Sprint(published+24*3600*1000), 1)
	if _, err := DecodeActivity([]byte(record), published); err != nil {
		t.Errorf("24 h ahead gives %v", err)
	}
}

// FuzzDecodeActivity checks that nothing makes the decoder panic, that what it
// rejects has a reason of the closed set whose detail repeats nothing of the
// record, and that what it accepts says the same to encoding/json.
func FuzzDecodeActivity(f *testing.F) {
	for _, seed := range []string{native, wrapped, flat, `{"orgId":1e0}`, `[]`} {
		f.Add([]byte(seed))
	}
	for _, r := range rejections() {
		f.Add([]byte(r.record))
	}
	known := map[Reason]bool{}
	for _, r := range Reasons {
		known[r] = true
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		original := bytes.Clone(record)
		a, err := DecodeActivity(record, published)
		if !bytes.Equal(record, original) {
			t.Fatal("the record was changed")
		}
		if err != nil {
			var r *Rejection
			if !errors.As(err, &r) || !known[r.Reason] || r.Detail == "" || !utf8.ValidString(r.Detail) {
				t.Fatalf("the rejection is %v", err)
			}
			return
		}
		if a.Type == leaderboard.TypeErase {
			a.GroupID, a.RuleID = 1, 1 // it names none
		}
		if a.OrgID <= 0 || a.UserID <= 0 || a.GroupID <= 0 || a.RuleID <= 0 || a.Period < 0 ||
			a.Value > leaderboard.MaxValue || a.Value < -leaderboard.MaxValue || a.Time < 0 || a.Time > published+24*3600*1000 {
			t.Fatalf("accepted %+v", a)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(record, &members); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		simple := bytes.Count(record, []byte("serId")) == 1 && !bytes.Contains(record, []byte(`\`))
		if id, ok := members["userId"]; ok && simple && string(id) != fmt.Sprint(a.UserID) {
			t.Fatalf("user %d of %s", a.UserID, id)
		}
	})
}
