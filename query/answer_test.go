package query

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"leaderboard"
)

// The documented answers, for encoding/json: the writer is held against what that
// makes of them.
type (
	answerDocument struct {
		Pagination *paginationDocument `json:"pagination,omitempty"`
		Data       any                 `json:"data"`
		Errors     []errorDocument     `json:"errors"`
		Warnings   []warningDocument   `json:"warnings"`
	}
	paginationDocument struct {
		Limit  int64 `json:"limit"`
		Offset int64 `json:"offset"`
		Total  int64 `json:"total"`
	}
	errorDocument struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	warningDocument struct {
		Message string `json:"message"`
	}
	syncDocument struct {
		LastSyncTime    *string `json:"lastSyncTime"`
		LastSyncTimeISO *string `json:"lastSyncTimeISO"`
	}
	activityDocument struct {
		LastActivityTime    string `json:"lastActivityTime"`
		LastActivityTimeISO string `json:"lastActivityTimeISO"`
	}
	topDocument struct {
		syncDocument
		TargetGroupID   int64             `json:"targetGroupId"`
		TargetGroupName string            `json:"targetGroupName"`
		PeriodID        int64             `json:"periodId"`
		PeriodRefCode   string            `json:"periodRefCode"`
		TargetRuleID    int64             `json:"targetRuleId"`
		TargetRuleName  string            `json:"targetRuleName"`
		Rankings        []rankingDocument `json:"rankings"`
	}
	rankingDocument struct {
		Rank          int64       `json:"rank"`
		UserID        int64       `json:"userId"`
		AchievedValue json.Number `json:"achievedValue"`
		activityDocument
		Enrichment struct {
			Gender    string `json:"gender"`
			Mobile    string `json:"mobile"`
			LastName  string `json:"last_name"`
			FirstName string `json:"first_name"`
			Email     string `json:"email"`
		} `json:"userEnrichmentDetails"`
	}
	rankDocument struct {
		syncDocument
		CustomerID int64 `json:"customerId"`
		Enrichment struct {
			Mobile    string `json:"mobile"`
			LastName  string `json:"last_name"`
			FirstName string `json:"first_name"`
			Email     string `json:"email"`
		} `json:"userEnrichmentDetails"`
		UserRanks []userRankDocument `json:"userRanks"`
	}
	userRankDocument struct {
		OrgID         int64       `json:"orgId"`
		TargetGroupID int64       `json:"targetGroupId"`
		TargetRuleID  int64       `json:"targetRuleId"`
		PeriodID      int64       `json:"periodId"`
		AchievedValue json.Number `json:"achievedValue"`
		Rank          int64       `json:"rank"`
		activityDocument
		TotalUsers int64 `json:"totalUsersInTargetGroup"`
	}
)

// expectWritten compares an answer with its document, byte for byte.
func expectWritten(t *testing.T, answer *envelope, document any) {
	t.Helper()
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		t.Fatal(err)
	}
	if got := append(answer.appendJSON(nil), '\n'); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("\n got %swant %s", got, &want)
	}
}

// chance makes up what answers tell.
type chance struct{ *rand.Rand }

// text is short and often odd: what JSON escapes, what it does not, and no UTF-8.
func (c chance) text() string {
	const odd = "<O'Neil & Co> \"\\/\b\f\n\r\t\x00\x1f\x7fé日😀\u2028\u2029\ufffd\xff\xc3\xed\xa0\x80"
	from, to := c.IntN(len(odd)+1), c.IntN(len(odd)+1)
	return odd[min(from, to):max(from, to)]
}

func (c chance) zone(t *testing.T) *time.Location {
	t.Helper()
	names := []string{"UTC", "Asia/Kolkata", "America/New_York", "Europe/Dublin", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Monrovia"}
	zone, err := time.LoadLocation(names[c.IntN(len(names))])
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func (c chance) millis() leaderboard.Millis {
	return leaderboard.Millis(c.Int64N(int64(leaderboard.MaxMillis) >> c.IntN(30)))
}

// sync is a time as an answer has it, or none.
func (c chance) sync(zone *time.Location) (*leaderboard.Millis, syncDocument) {
	if c.IntN(3) == 0 {
		return nil, syncDocument{}
	}
	m := c.millis()
	told := activityTimes(m, zone)
	return &m, syncDocument{&told.LastActivityTime, &told.LastActivityTimeISO}
}

func activityTimes(m leaderboard.Millis, zone *time.Location) activityDocument {
	at := time.UnixMilli(int64(m))
	return activityDocument{at.In(zone).Format("2006-01-02T15:04:05.000MST"), at.UTC().Format("2006-01-02T15:04:05.000Z07:00")}
}

func (c chance) entry() leaderboard.Entry {
	value := leaderboard.Value(c.Int64N(2*int64(leaderboard.MaxValue)>>c.IntN(52)+1) - int64(leaderboard.MaxValue)>>c.IntN(52))
	return leaderboard.Entry{UserID: leaderboard.UserID(c.Int64()), Value: value, LastActivity: c.millis()}
}

// texts are a number of texts, and warnings that tell them.
func (c chance) warnings() ([]string, []warningDocument) {
	var texts []string
	documents := []warningDocument{}
	for range c.IntN(3) {
		text := c.text()
		texts, documents = append(texts, text), append(documents, warningDocument{text})
	}
	return texts, documents
}

func TestRankedListIsWrittenAsEncodingJSONWould(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(1, 2))}
	for range 500 {
		org := catalogOrg(t, c.zone(t), "gender")
		board := topBoard{
			org:    org,
			group:  &leaderboard.TargetGroup{TargetGroupID: 5, Name: c.text()},
			target: &leaderboard.Target{TargetRuleID: 6, Name: c.text()},
			period: &leaderboard.Period{PeriodID: 7, RefCode: c.text()},
		}
		data := &topData{topBoard: board, page: page{ahead: c.Int64N(1000)}, fields: topFields(org)}
		document := topDocument{
			TargetGroupID: 5, TargetGroupName: board.group.Name, PeriodID: 7, PeriodRefCode: board.period.RefCode,
			TargetRuleID: 6, TargetRuleName: board.target.Name, Rankings: []rankingDocument{},
		}
		data.page.synced, document.syncDocument = c.sync(org.Location())
		for i := range c.Int64N(4) {
			e := c.entry()
			r := rankingDocument{Rank: data.page.ahead + i + 1, UserID: int64(e.UserID), AchievedValue: json.Number(e.Value.String()), activityDocument: activityTimes(e.LastActivity, org.Location())}
			d := &r.Enrichment
			d.Gender, d.Mobile, d.LastName, d.FirstName, d.Email = c.text(), c.text(), c.text(), c.text(), c.text()
			data.page.entries = append(data.page.entries, e)
			data.attributes = append(data.attributes, []string{d.Gender, d.Mobile, d.LastName, d.FirstName, d.Email})
			document.Rankings = append(document.Rankings, r)
		}
		warnings, told := c.warnings()
		expectWritten(t,
			&envelope{pagination: &pagination{limit: 1, offset: 2, total: 3}, data: data, warnings: warnings},
			answerDocument{Pagination: &paginationDocument{1, 2, 3}, Data: document, Errors: []errorDocument{}, Warnings: told})
	}
}

func TestRanksAreWrittenAsEncodingJSONWould(t *testing.T) {
	c := chance{rand.New(rand.NewPCG(3, 4))}
	for range 500 {
		org := catalogOrg(t, c.zone(t))
		data := &rankData{user: 9, orgs: scope{org}}
		document := rankDocument{CustomerID: 9, UserRanks: []userRankDocument{}}
		d := &document.Enrichment
		d.Mobile, d.LastName, d.FirstName, d.Email = c.text(), c.text(), c.text(), c.text()
		data.attributes = []string{d.Mobile, d.LastName, d.FirstName, d.Email}
		var synced *leaderboard.Millis
		synced, document.syncDocument = c.sync(org.Location())
		for i := range c.IntN(4) {
			data.boards = append(data.boards, leaderboard.Board{Org: org.OrgID, Group: 2, Rule: 3, Period: leaderboard.PeriodID(i)})
			if c.IntN(3) == 0 {
				data.standings = append(data.standings, nil)
				continue
			}
			st := &standing{entry: c.entry(), rank: c.Int64(), total: c.Int64(), synced: synced}
			data.standings = append(data.standings, st)
			document.UserRanks = append(document.UserRanks, userRankDocument{
				OrgID: int64(org.OrgID), TargetGroupID: 2, TargetRuleID: 3, PeriodID: int64(i),
				AchievedValue: json.Number(st.entry.Value.String()), Rank: st.rank,
				activityDocument: activityTimes(st.entry.LastActivity, org.Location()), TotalUsers: st.total,
			})
		}
		if len(document.UserRanks) == 0 {
			document.syncDocument = syncDocument{}
		}
		warnings, told := c.warnings()
		expectWritten(t, &envelope{data: data, warnings: warnings}, answerDocument{Data: document, Errors: []errorDocument{}, Warnings: told})
	}
}

func TestErrorsAreWrittenAsEncodingJSONWould(t *testing.T) {
	message := "Datascope '<b>' is not supported for this 'API'"
	expectWritten(t, &envelope{errors: []*leaderboard.Error{{Code: 310141, Message: message}}},
		answerDocument{Errors: []errorDocument{{310141, message}}, Warnings: []warningDocument{}})
	expectWritten(t, &envelope{pagination: &pagination{}}, answerDocument{Pagination: &paginationDocument{}, Errors: []errorDocument{}, Warnings: []warningDocument{}})
}

func TestLatestSyncTimeIsTold(t *testing.T) {
	one, two := leaderboard.Millis(1), leaderboard.Millis(2)
	for _, c := range []struct {
		synced []*leaderboard.Millis
		want   *leaderboard.Millis
	}{
		{nil, nil},
		{[]*leaderboard.Millis{nil, &one}, &one},
		{[]*leaderboard.Millis{&one, nil, &two, &one}, &two},
	} {
		d := &rankData{standings: []*standing{nil}}
		for _, m := range c.synced {
			d.standings = append(d.standings, &standing{synced: m})
		}
		if got := d.synced(); got != c.want {
			t.Errorf("%v gives %v", c.synced, got)
		}
	}
}

func FuzzTextIsWrittenAsEncodingJSONWould(f *testing.F) {
	c := chance{rand.New(rand.NewPCG(5, 6))}
	for range 50 {
		f.Add(c.text())
	}
	f.Fuzz(func(t *testing.T, s string) {
		expectWritten(t, &envelope{warnings: []string{s}}, answerDocument{Errors: []errorDocument{}, Warnings: []warningDocument{{s}}})
	})
}

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
		if got, want := string(appendSyncTimes(nil, &m, zone)), `"lastSyncTime":"`+c.local+`","lastSyncTimeISO":"`+c.iso+`"`; got != want {
			t.Errorf("%s in %s: %s, want %s", c.instant, c.zone, got, want)
		}
	}
}
