package test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

const deadLetterCatalog = `
orgs:
  - {orgId: 1, name: One, timeZone: UTC}
targetGroups:
  - targetGroupId: 10
    orgId: 1
    name: Ten
    periods: [{periodId: 1, refCode: p, start: "2022-11-01T00:00:00Z", end: "2022-12-01T00:00:00Z"}]
    targets: [{targetRuleId: 7, name: seven}]
  - {targetGroupId: 11, orgId: 1, name: Closed, active: false}
  - {targetGroupId: 12, orgId: 1, name: Hidden, leaderboardEnabled: false}
`

// poison is a record for every reason, with what its detail names.
var poison = map[consumer.Reason]struct{ record, detail string }{
	consumer.ReasonNotJSON:         {`nonsense`, "not JSON"},
	consumer.ReasonMissingField:    {activityWith(`"userId":`, `"x":`), "userId"},
	consumer.ReasonInvalidField:    {activityWith(`"value":2`, `"value":"two"`), "value"},
	consumer.ReasonValueOutOfRange: {activityWith(`"value":2`, `"value":9007199254740.992`), "value"},
	consumer.ReasonTimeOutOfRange:  {activityWith(`"2022-11-25T16:14:40Z"`, strconv.FormatInt(time.Now().Add(25*time.Hour).UnixMilli(), 10)), "activityTime"},
	consumer.ReasonUnknownGroup:    {activityWith(`"targetGroupId":10`, `"targetGroupId":99`), "target group 99"},
	consumer.ReasonUnknownRule:     {activityWith(`"targetRuleId":7`, `"targetRuleId":8`), "target rule 8"},
	consumer.ReasonUnknownPeriod:   {activityWith(`"value"`, `"periodId":5,"value"`), "period 5"},
	consumer.ReasonNoPeriod:        {activityWith(`2022-11-25`, `2022-12-25`), "no period"},
}

func activityWith(old, with string) string {
	return strings.Replace(`{"orgId":1,"userId":5,"targetGroupId":10,"targetRuleId":7,"value":2,"activityTime":"2022-11-25T16:14:40Z"}`, old, with, 1)
}

// TestDeadLetters publishes a record for every reason, many times over and
// between good ones: each comes out of the dead letters as it came, with its
// reason, and the good ones stand on the board.
func TestDeadLetters(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	topic := s.topics + "activities"
	cluster := consumer.Cluster{Brokers: s.brokers}
	writer := cluster.Writer(topic)
	defer writer.Close()
	const rounds = 200
	var messages []kafka.Message
	for round := range rounds {
		for reason, p := range poison {
			messages = append(messages, kafka.Message{
				Key: []byte(reason), Value: []byte(p.record), Headers: []kafka.Header{{Key: "round", Value: []byte(strconv.Itoa(round))}},
			})
		}
		messages = append(messages,
			kafka.Message{Key: []byte("1:5"), Value: []byte(activityWith("", ""))},
			kafka.Message{Key: []byte("1:5"), Value: []byte(activityWith(`:10`, `:11`))},
			kafka.Message{Key: []byte("1:5"), Value: []byte(activityWith(`:10`, `:12`))})
	}
	messages = append(messages, kafka.Message{Value: nil}) // no key, no value
	if err := writer.WriteMessages(context.Background(), messages...); err != nil {
		t.Fatal(err)
	}
	s.projector.AwaitRecords(len(messages))

	s.checkDeadLetters(topic, rounds)
	board, total := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1)
	if total != 1 || board[0].User != 5 || board[0].Value != "400" {
		t.Errorf("the board is %+v, want user 5 with 400", board)
	}
	for outcome, want := range map[string]int{
		"applied": rounds, "group_inactive": rounds, "leaderboard_off": rounds, "dead_letter": rounds*len(poison) + 1,
	} {
		if got := s.projector.Metric("leaderboard_records_total", "outcome", outcome); int(got) != want {
			t.Errorf("%v records were counted as %s, want %d", got, outcome, want)
		}
	}
}

func (s *services) checkDeadLetters(topic string, rounds int) {
	t := s.t
	t.Helper()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: s.brokers, Topic: s.topics + "deadletters", MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	seen := map[consumer.Reason]int{}
	places := map[string]bool{}
	for range rounds*len(poison) + 1 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		m, err := reader.ReadMessage(ctx)
		cancel()
		if err != nil {
			t.Fatalf("after %v dead letters: %v", seen, err)
		}
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = string(h.Value)
		}
		reason := consumer.Reason(headers[consumer.HeaderReason])
		seen[reason]++
		place := headers[consumer.HeaderPartition] + "/" + headers[consumer.HeaderOffset]
		if places[place] || headers[consumer.HeaderTopic] != topic {
			t.Errorf("the dead letter of %s %s is there twice, or of another topic", headers[consumer.HeaderTopic], place)
		}
		places[place] = true
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", headers[consumer.HeaderTime]); err != nil {
			t.Errorf("dl.time: %v", err)
		}
		if m.Key == nil { // the one without anything
			continue
		}
		if string(m.Key) != string(reason) || string(m.Value) != poison[reason].record || headers["round"] == "" {
			t.Errorf("the record %s: %s became the dead letter %s: %s (%v)", reason, poison[reason].record, m.Key, m.Value, headers)
		}
		if !strings.Contains(headers[consumer.HeaderDetail], poison[reason].detail) {
			t.Errorf("the detail of %s is %q", reason, headers[consumer.HeaderDetail])
		}
	}
	for _, reason := range consumer.Reasons {
		want := rounds
		if reason == consumer.ReasonNotJSON {
			want++
		}
		if seen[reason] != want {
			t.Errorf("%d dead letters of %s, want %d", seen[reason], reason, want)
		}
		if got := s.projector.Metric("leaderboard_dead_letters_total", "reason", string(reason)); int(got) != want {
			t.Errorf("%v dead letters of %s were counted, want %d", got, reason, want)
		}
	}
}

// TestTargetKnownWhenPublished publishes activities of a target the moment that
// its catalog record is acknowledged: none may become a dead letter.
func TestTargetKnownWhenPublished(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	groups, activities := cluster.Writer(s.topics+"catalog"), cluster.Writer(s.topics+"activities")
	defer groups.Close()
	defer activities.Close()
	const targets = 50
	for group := 100; group < 100+targets; group++ {
		record := fmt.Sprintf(`{"orgId":1,"targetGroupId":%d,"targets":[{"targetRuleId":7}],
			"periods":[{"periodId":1,"start":"2022-11-01T00:00:00Z","end":"2022-12-01T00:00:00Z"}]}`, group)
		if err := groups.WriteMessages(context.Background(), kafka.Message{Key: fmt.Appendf(nil, "group:1:%d", group), Value: []byte(record)}); err != nil {
			t.Fatal(err)
		}
		activity := activityWith(`:10`, `:`+strconv.Itoa(group))
		if err := activities.WriteMessages(context.Background(), kafka.Message{Key: []byte("1:5"), Value: []byte(activity)}); err != nil {
			t.Fatal(err)
		}
	}
	s.projector.AwaitRecords(targets)
	if applied := s.projector.Metric("leaderboard_records_total", "outcome", "applied"); applied != targets {
		t.Errorf("%v of %d activities were applied", applied, targets)
	}
}

// TestInvalidDocumentsAreIgnored publishes invalid records to the catalog and
// profiles topics: they are counted, and what was there stays.
func TestInvalidDocumentsAreIgnored(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	for topic, records := range map[string][]kafka.Message{
		"catalog": {
			{Key: []byte("org:1"), Value: []byte(`{"orgId":1,"timeZone":"Mars/Olympus"}`)},
			{Key: []byte("group:1:10"), Value: []byte(`nonsense`)},
			{Key: []byte("planet:3"), Value: []byte(`{}`)},
		},
		"profiles": {
			{Key: []byte("1:5"), Value: []byte(`{"orgId":1,"userId":6}`)},
			{Key: []byte("someone"), Value: []byte(`{"orgId":1,"userId":6}`)},
		},
	} {
		writer := cluster.Writer(s.topics + topic)
		if err := writer.WriteMessages(context.Background(), records...); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		programs.Await(t, "the invalid records to be counted", func() error {
			if got := s.projector.Metric("leaderboard_invalid_documents_total", "topic", s.topics+topic); int(got) != len(records) {
				return fmt.Errorf("%v of %d are", got, len(records))
			}
			return nil
		})
	}
	writer := cluster.Writer(s.topics + "activities")
	defer writer.Close()
	if err := writer.WriteMessages(context.Background(), kafka.Message{Value: []byte(activityWith("", ""))}); err != nil {
		t.Fatal(err)
	}
	s.projector.AwaitRecords(1)
	if _, total := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1); total != 1 {
		t.Errorf("the board has %d entries, want 1", total)
	}
	if log := s.projector.Log(); !strings.Contains(log, "invalid record ignored") || strings.Contains(log, "someone") {
		t.Error("the log does not name the invalid records, or repeats a profile's key")
	}
}
