package query

import (
	"testing"
	"time"

	"leaderboard"
)

func TestTimesAreToldInTheZoneAndInUTC(t *testing.T) {
	for _, c := range []struct{ zone, instant, local, iso string }{
		{"Asia/Kolkata", "2024-06-24T12:07:00Z", "2024-06-24T17:37:00.000IST", "2024-06-24T12:07:00.000Z"},
		{"America/New_York", "2024-03-10T06:59:59.999Z", "2024-03-10T01:59:59.999EST", "2024-03-10T06:59:59.999Z"},
		{"America/New_York", "2024-03-10T07:00:00.001Z", "2024-03-10T03:00:00.001EDT", "2024-03-10T07:00:00.001Z"},
		{"Europe/Berlin", "2024-12-31T23:30:00.5Z", "2025-01-01T00:30:00.500CET", "2024-12-31T23:30:00.500Z"},
		{"UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000UTC", "1970-01-01T00:00:00.000Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		instant, err := time.Parse(time.RFC3339, c.instant)
		if err != nil {
			t.Fatal(err)
		}
		m := leaderboard.Millis(instant.UnixMilli())
		if got := newActivityTimes(m, zone); got.LastActivityTime != c.local || got.LastActivityTimeISO != c.iso {
			t.Errorf("%s in %s: %+v", c.instant, c.zone, got)
		}
		if got := newSyncTimes(&m, zone); *got.LastSyncTime != c.local || *got.LastSyncTimeISO != c.iso {
			t.Errorf("%s in %s: %s %s", c.instant, c.zone, *got.LastSyncTime, *got.LastSyncTimeISO)
		}
	}
}

func TestEnvelope(t *testing.T) {
	for _, c := range []struct {
		answer envelope
		want   string
	}{
		{envelope{}, `{"data":null,"errors":[],"warnings":[]}`},
		{
			envelope{Pagination: &pagination{Limit: 1, Offset: 2, Total: 3}, Data: "<&>", Warnings: list[warning]{{"a > b"}}},
			`{"pagination":{"limit":1,"offset":2,"total":3},"data":"<&>","errors":[],"warnings":[{"message":"a > b"}]}`,
		},
		{
			envelope{Errors: list[*leaderboard.Error]{{Code: 310141, Message: "Datascope '<b>' is not supported for this 'API'"}}},
			`{"data":null,"errors":[{"code":310141,"message":"Datascope '<b>' is not supported for this 'API'"}],"warnings":[]}`,
		},
		{
			envelope{Data: rankData{CustomerID: 1, Enrichment: enrichment{fields: []string{"email"}}}},
			`{"data":{"lastSyncTime":null,"lastSyncTimeISO":null,"customerId":1,"userEnrichmentDetails":{"email":""},"userRanks":[]},"errors":[],"warnings":[]}`,
		},
	} {
		got, err := encode(c.answer)
		if err != nil || string(got) != c.want {
			t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
		}
	}
}
