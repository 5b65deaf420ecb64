package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard"
	"leaderboard/test/programs"
)

// TestEveryCompression publishes with every compression that producers have, in
// batches of many records with headers.
func TestEveryCompression(t *testing.T) {
	s := startForLetters(t)
	const records = 300
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		s.produce(records, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
		s.projector.AwaitRecords(records)
		if refused := s.projector.Metric("leaderboard_dead_letters_total"); refused != 0 {
			t.Errorf("after %s there are %v dead letters", name, refused)
		}
	}
	board, _ := s.api.page(expectedBoard{Group: 10, Target: 7, Period: 1}, 10, 1)
	if want := fmt.Sprint(2 * records * len(codecs)); len(board) != 1 || board[0].Value.String() != want {
		t.Errorf("the board is %+v, want one user with %s", board, want)
	}
}

// TestTheBrokersTime publishes to a topic that keeps the broker's time instead of the
// producers': a board was synced when its newest record reached the log.
func TestTheBrokersTime(t *testing.T) {
	s := startForLetters(t)
	s.setTopic("activities", "message.timestamp.type", "LogAppendTime")
	board := leaderboard.Board{Org: 1, Group: 10, Rule: 7, Period: 1}
	layout := leaderboard.Layout{Generation: 1, Shards: 16}
	before, store := time.Now().Truncate(time.Millisecond), s.store()
	// The broker takes the setting up a moment after it has acknowledged it.
	programs.Await(t, "the board to be synced at the broker's time", func() error {
		s.produce(1)
		s.projector.AwaitRecords(1)
		synced, err := store.HGet(t.Context(), layout.BoardsKey(layout.Shard(board)), board.String()).Int64()
		if err != nil {
			return err
		}
		if at := leaderboard.Millis(synced).Time(); at.Before(before) || at.After(time.Now()) {
			return fmt.Errorf("it was synced at %s", at)
		}
		return nil
	})
}

// produce publishes so many activities of user 5, dated by the producer three days
// after what they tell of.
func (s *services) produce(records int, options ...kgo.Opt) {
	s.t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(s.brokers...), kgo.DefaultProduceTopic(s.topics+"activities"))...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	batch := make([]*kgo.Record, records)
	for i := range batch {
		batch[i] = &kgo.Record{
			Key: []byte("1:5"), Value: []byte(activityWith("", "")), Timestamp: time.Date(2022, 11, 28, 16, 14, 40, 0, time.UTC),
			Headers: []kgo.RecordHeader{{Key: "source", Value: fmt.Append(nil, i)}, {Key: "empty"}},
		}
	}
	if err := client.ProduceSync(s.t.Context(), batch...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}
