package test

import (
	"context"
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
