package test

import (
	"context"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
)

// TestEventPublishedTwice publishes every event three times, in one batch and in
// batches apart, with a projector that begins anew between: it counts once. The
// same id on another board or of another user is another event.
func TestEventPublishedTwice(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	writer := cluster.Writer(s.topics + "activities")
	defer writer.Close()
	publish := func(users ...string) {
		t.Helper()
		var messages []kafka.Message
		for _, user := range users {
			record := activityWith(`"userId":5`, `"eventId":"e1","userId":`+user)
			messages = append(messages, kafka.Message{Key: []byte("1:" + user), Value: []byte(record)})
		}
		if err := writer.WriteMessages(context.Background(), messages...); err != nil {
			t.Fatal(err)
		}
	}
	publish("5", "5", "6")
	s.projector.AwaitRecords(3)
	s.projector.Stop()
	s.startProjector()
	publish("5", "6")
	s.projector.AwaitRecords(2)
	if repeats := s.projector.Metric("leaderboard_records_total", "outcome", "duplicate"); repeats != 2 {
		t.Errorf("%v duplicates were counted, want 2", repeats)
	}
	board, _ := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1)
	if len(board) != 2 || board[0].Value != "2" || board[1].Value != "2" {
		t.Errorf("the board is %+v, want 2 for both users", board)
	}
}

// TestDedupeWindowIsTheGenerations builds generations with windows that are not the
// default: verify folds by them without being told, and a projector with another one
// is refused.
func TestDedupeWindowIsTheGenerations(t *testing.T) {
	event := kafka.Message{Key: []byte("1:5"), Value: []byte(activityWith(`"userId"`, `"eventId":"e1","userId"`))}
	for window, agree := range map[string]string{
		"0s":     "1 board, 1 entry and 3 records agree\n",
		"1h0m0s": "1 board, 1 entry and 2 records agree\n",
	} {
		t.Run(window, func(t *testing.T) {
			s := startForLetters(t, "--dedupe-window", window)
			s.publishRecords(event, event, kafka.Message{Key: event.Key, Value: []byte(activityWith("", ""))})
			s.projector.AwaitRecords(3)
			if out := s.expectVerify(0); out != agree {
				t.Errorf("verify says %q, want %q", out, agree)
			}
			other := s.launchProjector("--dedupe-window", "90m")
			other.AwaitEnd(1, "dedupe window of "+window+", not of 1h30m0s", "--dedupe-window "+window+" (DEDUPE_WINDOW)", "--generation (GENERATION)")
			second := s.launchProjector("--dedupe-window", "90m", "--generation", "2")
			second.AwaitReady()
			for n, want := range map[int]string{1: window, 2: "1h30m0s"} {
				if got := s.generation(n).DedupeWindow; got != want {
					t.Errorf("the window of generation %d is %q, want %q", n, got, want)
				}
			}

			// An older program has settled none: the first projector to start does.
			s.projector.Stop()
			if err := s.store().HDel(t.Context(), "lb:meta", "dedupe:1").Err(); err != nil {
				t.Fatal(err)
			}
			if out := s.expectVerify(1); !strings.Contains(out, "see that a projector of it runs") {
				t.Errorf("verify without a window says %q", out)
			}
			s.startProjector()
			if out := s.expectVerify(0); out != agree {
				t.Errorf("verify says at last %q, want %q", out, agree)
			}
			second.Stop()
		})
	}
}
