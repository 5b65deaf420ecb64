package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// lateGroup is a target group that the catalog gets after activities of it came.
const lateGroup = `
orgs:
  - {orgId: 1, name: One, timeZone: UTC}
targetGroups:
  - targetGroupId: 99
    orgId: 1
    name: Late
    periods: [{periodId: 1, refCode: p, start: "2022-11-01T00:00:00Z", end: "2022-12-01T00:00:00Z"}]
    targets: [{targetRuleId: 7, name: seven}]
`

var lateBoard = expectedBoard{Group: 99, Target: 7, Period: 1}

// TestDeadLettersAreSettled takes dead letters from the log to the board: replayed
// too early they come back under their first origin, replayed when the catalog has
// their target they count once, and discarded ones are gone.
func TestDeadLettersAreSettled(t *testing.T) {
	s := startForLetters(t)
	s.publishRecords(kafka.Message{
		Key: []byte("1:5"), Value: []byte(activityWith(`:10`, `:99`)), Headers: []kafka.Header{{Key: "trace", Value: []byte("t-1")}},
	})
	s.projector.AwaitRecords(1)
	first := s.letters("")
	if len(first) != 1 || first[0].Origin != first[0].Record || first[0].Board != "1:99:7" || first[0].Reason != "unknown_group" || !strings.Contains(first[0].Detail, "99") {
		t.Fatalf("the dead letters are %+v", first)
	}
	for _, part := range []string{"trace: t-1", "1:5", activityWith(`:10`, `:99`), first[0].Origin, "unknown_group"} {
		if shown := s.operate("deadletters show " + first[0].Letter); !strings.Contains(shown, part) {
			t.Errorf("%q is not in\n%s", part, shown)
		}
	}

	s.operate("deadletters replay --reason unknown_group")
	s.projector.AwaitRecords(2)
	again := s.letters("")
	if len(again) != 1 || again[0].Origin != first[0].Origin || again[0].Record == first[0].Record || again[0].Letter == first[0].Letter {
		t.Fatalf("after a replay in vain the dead letters are %+v", again)
	}

	s.applyLateGroup()
	s.operate("deadletters replay " + again[0].Letter)
	s.projector.AwaitRecords(3)
	s.refuses("deadletters replay "+again[0].Letter, again[0].Letter, "settled already")
	if out := s.operate("deadletters replay --all"); out != "0 dead letters replayed\n" {
		t.Errorf("the last replay says %q", out)
	}
	s.expectLateBoard(ranking{Rank: 1, User: 5, Value: "2"})
	if shown := s.operate("deadletters show " + again[0].Letter); !strings.Contains(shown, "replayed 20") {
		t.Errorf("the replayed letter is shown as\n%s", shown)
	}
	s.checkReplays(first[0].Origin, 3)

	s.publishRecords(kafka.Message{Key: []byte("1:6"), Value: []byte("nonsense")}, kafka.Message{Key: []byte("1:6"), Value: []byte(activityWith(`:7`, `:8`))})
	s.projector.AwaitRecords(5)
	if out := s.operate("deadletters discard --reason not_json"); !strings.Contains(out, "1 dead letters discarded: 1 not_json") {
		t.Errorf("discard says %q", out)
	}
	if left := s.letters(""); len(left) != 1 || left[0].Reason != "unknown_rule" {
		t.Errorf("left are %+v", left)
	}
}

// checkReplays requires that the log holds the record so many times, on one
// partition: first as it was published, then with its origin.
func (s *services) checkReplays(origin string, times int) {
	s.t.Helper()
	var found []consumer.LogRecord
	s.readTopic("activities", func(r consumer.LogRecord) { found = append(found, r) })
	if len(found) != times {
		s.t.Fatalf("the log has %d records, want %d", len(found), times)
	}
	for i, r := range found {
		want := []kafka.Header{{Key: "trace", Value: []byte("t-1")}}
		if i > 0 {
			want = append(want, kafka.Header{Key: "dl.origin", Value: []byte(origin)})
		}
		if string(r.Key) != "1:5" || string(r.Value) != activityWith(`:10`, `:99`) || fmt.Sprint(r.Headers) != fmt.Sprint(want) || r.Partition != found[0].Partition {
			s.t.Errorf("record %d is %s: %s, headers %s on partition %d", i, r.Key, r.Value, r.Headers, r.Partition)
		}
	}
}

// TestReplayCountsOnce builds boards anew after a dead letter was replayed, one was
// discarded and one is left, under a catalog that has their target by then: what
// was a dead letter counts by its replay only. Event ids are not looked at.
func TestReplayCountsOnce(t *testing.T) {
	s := startForLetters(t, "--dedupe-window", "0")
	record := func(user string) kafka.Message {
		return kafka.Message{Key: []byte("1:" + user), Value: []byte(strings.NewReplacer(`"userId":5`, `"userId":`+user, `:10`, `:99`).Replace(activityWith("", "")))}
	}
	s.publishRecords(record("5"), record("6"), record("7"))
	s.projector.AwaitRecords(3)
	byUser := map[string]string{}
	for _, l := range s.letters("") {
		shown := s.operate("deadletters show " + l.Letter)
		for _, user := range []string{"5", "6", "7"} {
			if strings.Contains(shown, `"userId":`+user) {
				byUser[user] = l.Letter
			}
		}
	}
	s.applyLateGroup()
	s.operate("deadletters replay " + byUser["5"])
	s.operate("deadletters discard " + byUser["6"])
	s.publishRecords(record("8"))
	s.projector.AwaitRecords(5)
	want := []ranking{{Rank: 1, User: 5, Value: "2"}, {Rank: 2, User: 8, Value: "2"}}
	s.expectLateBoard(want...)
	s.expectVerify(0)

	second := s.launchGeneration(2)
	second.AwaitReady()
	second.AwaitRecords(5)
	if got := second.Metric("leaderboard_records_total", "outcome", "dead_letter_before"); got != 3 {
		t.Errorf("%v records are known to be dead letters, want 3", got)
	}
	s.operate("generations promote 2")
	s.awaitRead(2)
	s.expectLateBoard(want...)
	s.expectVerify(0)
	second.Stop()

	if err := s.store().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.expectLateBoard(want...)
	if letters := s.letters(""); len(letters) != 1 {
		t.Errorf("the dead letters are %+v, want the one of user 7", letters)
	}
}

// TestDeadLettersAreChosen filters a set of dead letters in all ways.
func TestDeadLettersAreChosen(t *testing.T) {
	s := startForLetters(t)
	published := 0
	for reason, p := range poison {
		s.publishRecords(kafka.Message{Key: []byte(reason), Value: []byte(p.record)})
		published++
	}
	s.projector.AwaitRecords(published)
	for command, want := range map[string][]consumer.Reason{
		"":                               consumer.Reasons,
		"--reason not_json,unknown_rule": {consumer.ReasonNotJSON, consumer.ReasonUnknownRule},
		"--board 1:99":                   {consumer.ReasonUnknownGroup},
		"--board 1:10:8:1":               {consumer.ReasonUnknownRule},
		"--board 1:10:7:1":               {},
		"--board 1:10:7:5":               {consumer.ReasonUnknownPeriod},
		"--board 1:1":                    {},
		"--board 1:10:8 --reason no_period_for_time": {},
		"--since 1h": consumer.Reasons,
		"--until 1h": {},
		"--since 2020-01-01T00:00:00Z --until 2020-01-02T00:00:00Z": {},
		"--topic " + s.topics + "activities":                        consumer.Reasons,
		"--topic other":                                             {},
	} {
		var got []consumer.Reason
		for _, l := range s.letters(command) {
			got = append(got, l.Reason)
		}
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
			t.Errorf("deadletters list %s: %v, want %v", command, got, want)
		}
	}
	out := s.operate("deadletters list")
	if strings.Count(out, "\n") != len(poison)+2 || !strings.Contains(out, fmt.Sprintf("\n%d dead letters: 1 invalid_field, ", len(poison))) {
		t.Errorf("the list is\n%s", out)
	}
	s.refuses("deadletters replay", "--all (DEADLETTERS_ALL)", "--reason")
	s.refuses("deadletters list --reason odd --since later --board 1:x", "--reason (", "--since (", "--board (")
	s.refuses("deadletters show 7", "partition/offset")
	s.refuses("deadletters show 0/77", "no such dead letter")

	// A second generation judges the records again: that makes no new dead letters
	// to settle.
	s.operate("deadletters discard --board 1:10")
	left := s.letters("")
	second := s.launchGeneration(2)
	second.AwaitReady()
	second.AwaitRecords(published)
	if again := s.letters(""); fmt.Sprint(again) != fmt.Sprint(left) || len(again) == len(poison) {
		t.Errorf("with a second generation the dead letters are\n%+v, before\n%+v", again, left)
	}
	second.Stop()
}

// TestReplayCutOff kills replays in the middle, and runs two at once: each record
// is published again once. Event ids are not looked at, so that nothing but the
// replay itself can see to that.
func TestReplayCutOff(t *testing.T) {
	s := startForLetters(t, "--dedupe-window", "0")
	const records = 6000
	messages := make([]kafka.Message, records)
	for i := range messages {
		user := fmt.Sprint(1 + i%7)
		messages[i] = kafka.Message{Key: []byte("1:" + user), Value: []byte(strings.Replace(activityWith(`:10`, `:99`), `"userId":5`, `"userId":`+user, 1))}
	}
	s.publishRecords(messages...)
	s.projector.AwaitRecords(records)
	s.applyLateGroup()
	for kill := 1; kill <= 3; kill++ {
		end := s.logEnd()
		replay := programs.Command(t, "deadletters", append([]string{"replay", "--all"}, s.kafkaFlags()...)...)
		programs.Await(t, "the replay to publish", func() error {
			if s.logEnd() == end {
				return fmt.Errorf("it has not")
			}
			return nil
		})
		if err := replay.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = replay.Wait()
	}
	rival := programs.Command(t, "deadletters", append([]string{"replay", "--all"}, s.kafkaFlags()...)...)
	_, _, _ = s.run("deadletters replay --all")
	if err := rival.Wait(); err != nil && !strings.Contains(rival.Stderr.(*bytes.Buffer).String(), "another run") {
		t.Errorf("the rival: %v\n%s", err, rival.Stderr)
	}
	s.operate("deadletters replay --all")
	s.projector.AwaitRecords(2 * records)
	want := make([]ranking, 7)
	for i := range want {
		n := records / 7
		if i < records%7 {
			n++
		}
		want[i] = ranking{Rank: i + 1, User: int64(1 + i), Value: json.Number(fmt.Sprint(2 * n))}
	}
	s.expectLateBoard(want...)
	if left := s.letters(""); len(left) > 0 {
		t.Errorf("%d dead letters are left", len(left))
	}
}

func startForLetters(t *testing.T, projectorFlags ...string) *services {
	t.Helper()
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	return startServices(t, dataset{org: "1", catalog: catalog}, projectorFlags...)
}

func (s *services) publishRecords(messages ...kafka.Message) {
	s.t.Helper()
	writer := consumer.Cluster{Brokers: s.brokers}.Writer(s.topics + "activities")
	defer writer.Close()
	if err := writer.WriteMessages(context.Background(), messages...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *services) applyLateGroup() {
	s.t.Helper()
	catalog := s.t.TempDir() + "/late.yaml"
	writeFile(s.t, catalog, lateGroup)
	s.operate("catalog apply -f " + catalog)
}

// letter is a dead letter as the list has it.
type letter struct {
	Letter, Detail, Record, Origin, Board string
	Reason                                consumer.Reason
}

// letters lists dead letters.
func (s *services) letters(filter string) []letter {
	s.t.Helper()
	var list struct {
		DeadLetters []letter
		ByReason    map[consumer.Reason]int
	}
	if err := json.Unmarshal([]byte(s.operate("deadletters list --json "+filter)), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, l := range list.DeadLetters {
		list.ByReason[l.Reason]--
	}
	for reason, n := range list.ByReason {
		if n != 0 {
			s.t.Errorf("%s is counted %d times too often", reason, n)
		}
	}
	return list.DeadLetters
}

// expectLateBoard waits until the late group's board is as wanted, but for times.
func (s *services) expectLateBoard(want ...ranking) {
	s.t.Helper()
	programs.Await(s.t, "the board of the late group", func() error {
		var answer struct{ Data struct{ Rankings []ranking } }
		err := s.api.ask(fmt.Sprintf("/v3.1/leaderboards/targetGroups/%d?targetId=%d&periodId=%d", lateBoard.Group, lateBoard.Target, lateBoard.Period), "", &answer)
		if err != nil {
			return err
		}
		got := answer.Data.Rankings
		for i := range got {
			got[i] = ranking{Rank: got[i].Rank, User: got[i].User, Value: got[i].Value}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("it is %+v, want %+v", got, want)
		}
		return nil
	})
}

// readTopic visits the committed records of a topic.
func (s *services) readTopic(name string, each func(consumer.LogRecord)) {
	s.t.Helper()
	cluster := consumer.Cluster{Brokers: s.brokers}
	extents, err := consumer.Extents(s.t.Context(), cluster, s.topics+name)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, extent := range extents {
		err := consumer.ReadLog(s.t.Context(), cluster, s.topics+name, extent, func(r consumer.LogRecord) error {
			each(r)
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// logEnd adds up the ends of the partitions of the activities topic.
func (s *services) logEnd() int64 {
	s.t.Helper()
	extents, err := consumer.Extents(s.t.Context(), consumer.Cluster{Brokers: s.brokers}, s.topics+"activities")
	if err != nil {
		s.t.Fatal(err)
	}
	end := int64(0)
	for _, extent := range extents {
		end += extent.End
	}
	return end
}
