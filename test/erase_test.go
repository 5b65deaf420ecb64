package test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// TestErase erases a user who stands on two boards and has a profile: all of it
// goes, also from boards that are made again from the log, and what the user does
// afterwards counts from nothing.
func TestErase(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	profiles := t.TempDir() + "/profiles.jsonl"
	writeFile(t, profiles, `{"orgId":1,"userId":5,"attributes":{"first_name":"Tom"}}`+"\n"+`{"orgId":1,"userId":6,"attributes":{"first_name":"Huck"}}`+"\n")
	programs.Run(t, "profiles", append([]string{"publish", "-f", profiles}, s.kafkaFlags()...)...)
	cluster := consumer.Cluster{Brokers: s.brokers}
	activities := cluster.Writer(s.topics + "activities")
	defer activities.Close()
	publish := func(user int) {
		t.Helper()
		record := activityWith(`"userId":5`, fmt.Sprintf(`"userId":%d`, user))
		if err := activities.WriteMessages(context.Background(), kafka.Message{Key: fmt.Appendf(nil, "1:%d", user), Value: []byte(record)}); err != nil {
			t.Fatal(err)
		}
	}
	board := expectedBoard{Group: 10, Target: 7, Period: 1}
	expect := func(want ...string) {
		t.Helper()
		programs.Await(t, fmt.Sprintf("the board to be %v", want), func() error {
			rankings, _, err := s.api.tryPage(board, 10, 1)
			if err != nil {
				return err // while the boards are made again
			}
			got := []string{}
			for _, r := range rankings {
				got = append(got, fmt.Sprintf("%d: %s %s", r.User, r.Value, r.Enrichment.FirstName))
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Errorf("it is %v", got)
			}
			return nil
		})
	}
	publish(5)
	publish(5)
	publish(6)
	expect("5: 4 Tom", "6: 2 Huck")
	programs.Run(t, "erase", append([]string{"--org", "1", "--user", "5"}, s.kafkaFlags()...)...)
	expect("6: 2 Huck")
	publish(5)
	expect("5: 2 ", "6: 2 Huck")

	s.emptyRedis()
	expect("5: 2 ", "6: 2 Huck")
	s.projector.Stop()
	s.startProjector()
	expect("5: 2 ", "6: 2 Huck")
}

func (s *services) emptyRedis() {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	defer client.Close()
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		s.t.Fatal(err)
	}
}
