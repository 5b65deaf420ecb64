package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// exported is what `leaderboard export` prints.
type exported struct {
	OrgID, UserID int64
	Profile       map[string]any
	Entries       []struct {
		TargetGroupID, TargetRuleID, PeriodID, Rank int64
		AchievedValue                               json.Number
		LastActivityTime                            time.Time
	}
	Records []struct {
		Topic, Key        string
		Partition, Offset int64
		Published         time.Time
		Headers           map[string]string
		Value             any
	}
}

// TestExport publishes records about several users, of which some say something else
// than their key, and some nothing that can be read: a user is told all of the own
// ones and none of the others'.
func TestExport(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, strings.Replace(deadLetterCatalog, "name: seven}", "name: seven, order: asc}", 1))
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	publish := func(topic, key, value string) {
		t.Helper()
		writer := cluster.Writer(s.topics + topic)
		defer writer.Close()
		if err := writer.WriteMessages(t.Context(), kafka.Message{Key: []byte(key), Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	notification := `{"eventId":"n","orgId":1,"eventName":"targetAchievedValueUpdated","createdAt":1669392881000,"data":{
		"customerIdentifiers":{"customerId":5},"targetDetails":{"id":7,"targetGroupId":10,"targetPeriodId":1},"achievedTargetValue":"9.5"}}`
	mine := []string{activityWith("", ""), notification, activityWith(`"targetRuleId":7`, `"targetRuleId":8`)}
	publish("activities", "1:5", mine[0])
	publish("activities", "somebody", mine[1])
	publish("activities", "1:5", "nonsense")
	publish("activities", "1:6", mine[2]) // a dead letter, with the key of another
	publish("activities", "1:5", activityWith(`"userId":5`, `"userId":6`))
	publish("activities", "1:6", activityWith(`"userId":5`, `"userId":6`))
	publish("activities", "1:55", "nonsense")
	publish("activities", "2:5", activityWith(`"orgId":1`, `"orgId":2`)) // a dead letter
	s.projector.AwaitRecords(8)
	profile := func(user int, name string) string {
		return fmt.Sprintf(`{"orgId":1,"userId":%d,"attributes":{"first_name":%q}}`, user, name)
	}
	publish("profiles", "1:5", profile(5, "Tom"))
	publish("profiles", "1:5", profile(5, "Thomas"))
	publish("profiles", "1:6", profile(6, "Huck"))
	programs.Await(t, "the profiles to be there", func() error {
		if first, _ := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1); len(first) != 2 || first[0].Enrichment.FirstName != "Huck" || first[1].Enrichment.FirstName != "Thomas" {
			return fmt.Errorf("the board is %+v", first)
		}
		return nil
	})

	e := s.export(5)
	if e.OrgID != 1 || e.UserID != 5 || !reflect.DeepEqual(e.Profile["attributes"], map[string]any{"first_name": "Thomas"}) {
		t.Errorf("it is about user %d of organisation %d with the profile %v", e.UserID, e.OrgID, e.Profile)
	}
	if len(e.Entries) != 1 || fmt.Sprint(e.Entries[0]) != "{10 7 1 2 9.5 2022-11-25 16:14:41 +0000 UTC}" {
		t.Errorf("the entries are %v", e.Entries)
	}
	s.expectRecords(e, map[string][]string{
		"activities":  {mine[0], mine[1], mine[2], `"nonsense"`},
		"deadletters": {mine[2], `"nonsense"`},
		"profiles":    {profile(5, "Tom"), profile(5, "Thomas")},
	})
	for _, r := range e.Records {
		if age := time.Since(r.Published); age < 0 || age > time.Hour || (r.Headers[consumer.HeaderReason] != "") != strings.HasSuffix(r.Topic, "deadletters") {
			t.Errorf("record %+v was published %s ago", r, age)
		}
	}
	if other := s.export(6); len(other.Entries) != 1 || other.Entries[0].Rank != 1 || len(other.Records) != 3 {
		t.Errorf("of user 6 it says %+v", other)
	}
	if nobody := s.export(55); nobody.Profile != nil || len(nobody.Entries) != 0 || len(nobody.Records) != 2 {
		t.Errorf("of user 55 it says %+v", nobody)
	}

	programs.Run(t, "erase", append([]string{"--org", "1", "--user", "5"}, s.kafkaFlags()...)...)
	programs.Await(t, "the user to be erased", func() error {
		if e = s.export(5); len(e.Entries) > 0 || e.Profile != nil {
			return fmt.Errorf("it says %+v", e)
		}
		return nil
	})
	tombstones, erasures := 0, 0
	for _, r := range e.Records {
		if r.Value == nil {
			tombstones++
		}
		if strings.HasSuffix(r.Topic, "erasures") {
			erasures++
		}
	}
	if tombstones != 1 || erasures != 1 {
		t.Errorf("there are %d tombstones and %d erasures: %+v", tombstones, erasures, e.Records)
	}
}

// expectRecords requires exactly those values by topic.
func (s *services) expectRecords(e exported, want map[string][]string) {
	s.t.Helper()
	got := map[string][]string{}
	for _, r := range e.Records {
		value, err := json.Marshal(r.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		topic := strings.TrimPrefix(r.Topic, s.topics)
		got[topic] = append(got[topic], string(value))
	}
	for _, values := range want {
		for i, text := range values {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				s.t.Fatal(err)
			}
			sorted, err := json.Marshal(value)
			if err != nil {
				s.t.Fatal(err)
			}
			values[i] = string(sorted)
		}
		slices.Sort(values)
	}
	for _, values := range got {
		slices.Sort(values)
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("the records are\n%v, want\n%v", got, want)
	}
}

func (s *services) export(user int) exported {
	s.t.Helper()
	cmd := programs.Command(s.t, "export", append(s.kafkaFlags(), "--redis-addrs", s.redis, "--org", "1", "--user", fmt.Sprint(user))...)
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("export: %v\n%s", err, cmd.Stderr)
	}
	var e exported
	if err := json.Unmarshal(cmd.Stdout.(*bytes.Buffer).Bytes(), &e); err != nil {
		s.t.Fatalf("export: %v\n%s", err, cmd.Stdout)
	}
	return e
}
