package deadletters

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leaderboard/consumer"
)

// The times at which records were published and refused, and users erased.
var (
	morning = time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	noon    = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	evening = time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC)
)

// letterAbout is the dead letter of a record that lies at that place and was refused
// at that time.
func letterAbout(record, offset string, refused time.Time, headers ...kafka.Header) kafka.Message {
	m := letterOf("0", offset, headers...)
	m.Value = []byte(record)
	m.Headers = append(m.Headers, kafka.Header{Key: consumer.HeaderTime, Value: []byte(refused.Format(time.RFC3339))})
	return m
}

// TestErasedUsersStayErased replays letters of users who were erased at noon.
func TestErasedUsersStayErased(t *testing.T) {
	const (
		tombstoned = `{"orgId":1,"userId":5}`
		marked     = `{"attributes":{"orgId":1,"data":{"customerIdentifiers":{"customerId":6},"targetDetails":{}}}}`
		other      = `{"orgId":2,"userId":5}`
	)
	for name, c := range map[string]struct {
		letter kafka.Message
		want   Outcome
	}{
		"refused before":                     {letterAbout(tombstoned, "9", morning), Erased},
		"refused before, a mark":             {letterAbout(marked, "9", morning), Erased},
		"published before, refused after":    {letterAbout(tombstoned, "0", evening), Erased},
		"published before, a mark":           {letterAbout(marked, "0", evening), Erased},
		"published after":                    {letterAbout(tombstoned, "1", evening), Replayed},
		"published after, a mark":            {letterAbout(marked, "1", evening), Replayed},
		"published nobody knows when":        {letterAbout(tombstoned, "9", evening), Erased},
		"published first before":             {letterAbout(tombstoned, "1", evening, kafka.Header{Key: consumer.HeaderOrigin, Value: []byte("activities/0/0")}), Erased},
		"an origin that is none":             {letterAbout(tombstoned, "1", evening, kafka.Header{Key: consumer.HeaderOrigin, Value: []byte("elsewhere")}), Erased},
		"a user of another organisation":     {letterAbout(other, "0", morning), Replayed},
		"a record that nobody can read":      {letterAbout("nonsense", "0", morning), Replayed},
		"a record that is wrong besides ids": {letterAbout(`{"orgId":1,"userId":5,"value":{}}`, "0", morning), Erased},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, nil, c.letter)
			for topic, messages := range map[string][]kafka.Message{
				"activities": {{Value: []byte("x"), Time: morning}, {Value: []byte("x"), Time: evening}},
				"profiles":   {{Key: []byte("1:5"), Time: morning}, {Key: []byte("1:5"), Time: noon}, {Key: []byte("1:5"), Value: []byte("{}"), Time: evening}},
				"erasures":   {{Key: []byte("1:6"), Value: []byte("{}"), Time: noon}},
			} {
				if err := write(b, topic, messages...); err != nil {
					t.Fatal(err)
				}
			}
			before := len(records(t, b))
			got, err := settler(t, b).Settle(t.Context(), Replayed, unsettled(t, b))
			if err != nil || !slices.Equal(got, []Outcome{c.want}) {
				t.Errorf("the outcome is %v, %v, want %s", got, err, c.want)
			}
			if published := len(records(t, b)) - before; (published == 1) != (c.want == Replayed) {
				t.Errorf("%d records were published", published)
			}
			if left := unsettled(t, b); len(left) != 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

// TestErasedMeanwhile erases a user between the look at the erasures and the end of
// the transaction: that one is taken back.
func TestErasedMeanwhile(t *testing.T) {
	b, broker := newBoxOn(t, nil, letterAbout(`{"orgId":1,"userId":5}`, "0", morning), letterAbout(`{"orgId":1,"userId":6}`, "1", morning))
	s, letters := settler(t, b), unsettled(t, b)
	var erased atomic.Bool
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if erased.Swap(true) {
			return nil, nil, false
		}
		broker.SleepControl(func() {
			if err := write(b, "profiles", kafka.Message{Key: []byte("1:5")}); err != nil {
				t.Error(err)
			}
		})
		return nil, nil, false
	})
	got, err := s.Settle(t.Context(), Replayed, letters)
	if err != nil || !slices.Equal(got, []Outcome{Erased, Replayed}) {
		t.Errorf("the outcomes are %v, %v", got, err)
	}
	if published := records(t, b); len(published) != 1 || string(published[0].Value) != `{"orgId":1,"userId":6}` {
		t.Errorf("published are %+v", published)
	}
}
