package test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard/test/programs"
)

// TestAbortedTransactions publishes in transactions, of which every second one is
// aborted, from several producers at once and with plain records between: only
// what was committed counts, and the markers of the transactions hold nothing up.
func TestAbortedTransactions(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	ctx := context.Background()
	const producers, transactions, records = 3, 10, 20
	want := 0
	clients := make([]*kgo.Client, producers)
	for i := range clients {
		client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.TransactionalID(fmt.Sprintf("%s%d", s.topics, i)), kgo.DefaultProduceTopic(s.topics+"activities"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		clients[i] = client
	}
	for n := range transactions {
		for _, client := range clients {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		for i := range records {
			for _, client := range clients {
				record := &kgo.Record{Key: fmt.Appendf(nil, "1:%d", i), Value: []byte(activityWith("", ""))}
				if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, client := range clients {
			commit := (n+i)%2 == 0
			if commit {
				want += records
			}
			if err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.projector.AwaitRecords(want)
	board, _ := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1)
	if len(board) != 1 || board[0].Value.String() != fmt.Sprint(2*want) {
		t.Errorf("the board is %+v, want one user with %d", board, 2*want)
	}
	programs.Await(t, "the lag behind the last markers to go", func() error {
		if lag := s.projector.Metric("leaderboard_lag_records", "topic", s.topics+"activities"); lag != 0 {
			return fmt.Errorf("it is %v", lag)
		}
		return nil
	})
}
