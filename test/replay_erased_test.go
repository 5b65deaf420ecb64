package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// TestReplayBringsNoErasedUserBack replays dead letters of users who were erased: after
// their records were refused, before the projector knew of it, and between two records,
// of which the later counts.
func TestReplayBringsNoErasedUserBack(t *testing.T) {
	s := startForLetters(t)
	record := func(key, user string) kafka.Message {
		return kafka.Message{Key: []byte(key), Value: []byte(strings.NewReplacer(`"userId":5`, `"userId":`+user, `:10`, `:99`).Replace(activityWith("", "")))}
	}
	notification := kafka.Message{Key: []byte("x"), Value: []byte(`{"eventName":"targetAchievedValueUpdated","orgId":1,"createdAt":1669392881000,
		"data":{"customerIdentifiers":{"customerId":5},"targetDetails":{"id":7,"targetGroupId":99},"achievedTargetValue":"100"}}`)}
	s.publishRecords(record("1:5", "5"), notification, record("1:6", "6"), record("somebody", "7"), kafka.Message{Key: []byte("1:5"), Value: []byte("nonsense")})
	s.projector.AwaitRecords(5)
	s.operate("erase --org 1 --user 5")
	programs.Await(t, "the user to be erased", func() error {
		marks := 0
		s.readTopic("erasures", func(consumer.LogRecord) { marks++ })
		if marks != 1 {
			return fmt.Errorf("%d users are", marks)
		}
		return nil
	})
	s.publishRecords(record("1:5", "5"))
	s.projector.AwaitRecords(7)
	s.projector.Stop()
	s.operate("erase --org 1 --user 7")
	s.applyLateGroup()

	letters := s.letters("--reason unknown_group")
	if len(letters) != 5 {
		t.Fatalf("the dead letters are %+v", letters)
	}
	out := s.operate("deadletters replay --reason unknown_group")
	for _, part := range []string{"2 dead letters replayed: 2 unknown_group", "3 dead letters erased, their records not published as the users were erased since: 3 unknown_group"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in what replay says:\n%s", part, out)
		}
	}
	published := 0
	s.readTopic("activities", func(r consumer.LogRecord) {
		for _, h := range r.Headers {
			if h.Key == consumer.HeaderOrigin {
				published++
			}
		}
	})
	if published != 2 {
		t.Errorf("%d records were published again, want 2", published)
	}
	s.startProjector()
	want := []ranking{{Rank: 1, User: 5, Value: "2"}, {Rank: 2, User: 6, Value: "2"}}
	s.expectLateBoard(want...)
	s.emptyRedis()
	s.expectLateBoard(want...)

	erased := 0
	for _, l := range letters {
		if strings.Contains(s.operate("deadletters show "+l.Letter), "settled  erased 20") {
			erased++
			s.refuses("deadletters replay "+l.Letter, l.Letter, "settled already")
		}
	}
	if erased != 3 {
		t.Errorf("%d letters are shown as erased, want 3", erased)
	}
	if left := s.letters(""); len(left) != 1 || left[0].Reason != consumer.ReasonNotJSON {
		t.Errorf("left are %+v", left)
	}
}
