package consumer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"leaderboard"
	"leaderboard/consumer/decodetest"
)

func TestDecodeActivity(t *testing.T) {
	for _, test := range decodetest.AcceptedRecords() {
		got, err := DecodeActivity([]byte(test.Record), decodetest.Published)
		if err != nil || got != test.Activity {
			t.Errorf("%s: got %+v, %v\nwant %+v", test.Name, got, err, test.Activity)
		}
	}
}

func TestDecodeActivityRejects(t *testing.T) {
	for _, test := range decodetest.RejectedRecords() {
		_, err := DecodeActivity([]byte(test.Record), decodetest.Published)
		var r *Rejection
		if !errors.As(err, &r) || string(r.Reason) != test.Reason || !strings.Contains(r.Detail, test.Detail) {
			t.Errorf("%s\ngave %v, want %s naming %q", test.Record, err, test.Reason, test.Detail)
		}
	}
}

func TestDecodeActivityUpToADayAhead(t *testing.T) {
	record := strings.Replace(decodetest.Native, `"2022-11-25T16:14:40.000Z"`, fmt.Sprint(decodetest.Published+24*3600*1000), 1)
	if _, err := DecodeActivity([]byte(record), decodetest.Published); err != nil {
		t.Errorf("24 h ahead gives %v", err)
	}
}

// FuzzDecodeActivity checks that nothing makes the decoder panic, that what it
// rejects has a reason of the closed set whose detail repeats nothing of the
// record, and that what it accepts says the same to encoding/json.
func FuzzDecodeActivity(f *testing.F) {
	for _, seed := range []string{decodetest.Native, decodetest.Wrapped, decodetest.Flat, `{"orgId":1e0}`, `[]`} {
		f.Add([]byte(seed))
	}
	for _, r := range decodetest.RejectedRecords() {
		f.Add([]byte(r.Record))
	}
	known := map[Reason]bool{}
	for _, r := range Reasons {
		known[r] = true
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		original := bytes.Clone(record)
		a, err := DecodeActivity(record, decodetest.Published)
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
			a.Value > leaderboard.MaxValue || a.Value < -leaderboard.MaxValue || a.Time < 0 || a.Time > decodetest.Published+24*3600*1000 {
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
