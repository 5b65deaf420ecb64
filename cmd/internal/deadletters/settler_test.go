package deadletters

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard/consumer"
)

// newBox makes a box on an embedded broker, with the letters given.
func newBox(t *testing.T, mechanism sasl.Mechanism, letters ...kafka.Message) *Box {
	t.Helper()
	b, _ := newBoxOn(t, mechanism, letters...)
	return b
}

func newBoxOn(t *testing.T, mechanism sasl.Mechanism, letters ...kafka.Message) (*Box, *kfake.Cluster) {
	t.Helper()
	options := []kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(2, "activities", "profiles"),
		kfake.SeedTopics(1, "letters", "settled", "catalog", "erasures"),
	}
	if mechanism != nil {
		options = append(options, kfake.EnableSASL(), kfake.Superuser(mechanism.Name(), "operator", "sesame"))
	}
	broker, err := kfake.NewCluster(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	b := &Box{
		Cluster: consumer.Cluster{Brokers: broker.ListenAddrs(), SASL: mechanism},
		Topic:   "letters", SettledTopic: "settled", CatalogTopic: "catalog",
		ProfilesTopic: "profiles", ErasuresTopic: "erasures", Log: slog.New(slog.DiscardHandler),
	}
	if err := write(b, b.Topic, letters...); err != nil {
		t.Fatal(err)
	}
	return b, broker
}

// write writes to the first partition of a topic.
func write(b *Box, topic string, messages ...kafka.Message) error {
	writer := b.Cluster.Writer(topic)
	writer.Balancer = kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 })
	return errors.Join(writer.WriteMessages(context.Background(), messages...), writer.Close())
}

func letterOf(partition, offset string, headers ...kafka.Header) kafka.Message {
	return kafka.Message{Value: []byte(offset), Headers: append(headers,
		kafka.Header{Key: consumer.HeaderTopic, Value: []byte("activities")},
		kafka.Header{Key: consumer.HeaderPartition, Value: []byte(partition)},
		kafka.Header{Key: consumer.HeaderOffset, Value: []byte(offset)},
		kafka.Header{Key: consumer.HeaderReason, Value: []byte(consumer.ReasonNotJSON)},
		kafka.Header{Key: consumer.HeaderTime, Value: []byte("2026-01-31T12:00:00.000Z")},
	)}
}

// unsettled reads the letters that are not settled.
func unsettled(t *testing.T, b *Box) []Letter {
	t.Helper()
	var all []Letter
	err := b.Each(t.Context(), Filter{}, func(l Letter) error {
		all = append(all, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// records are those of the activities.
func records(t *testing.T, b *Box) []consumer.LogRecord {
	t.Helper()
	const topic = "activities"
	extents, err := consumer.Extents(t.Context(), b.Cluster, topic)
	if err != nil {
		t.Fatal(err)
	}
	var all []consumer.LogRecord
	for _, extent := range extents {
		err := consumer.ReadLog(t.Context(), b.Cluster, topic, extent, func(r consumer.LogRecord) error {
			all = append(all, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func settler(t *testing.T, b *Box) *Settler {
	t.Helper()
	s, err := NewSettler(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestSettlerSignsIn settles with every way to sign in that the programs know.
func TestSettlerSignsIn(t *testing.T) {
	scram256, err256 := scram.Mechanism(scram.SHA256, "operator", "sesame")
	scram512, err512 := scram.Mechanism(scram.SHA512, "operator", "sesame")
	if err256 != nil || err512 != nil {
		t.Fatal(err256, err512)
	}
	for _, mechanism := range []sasl.Mechanism{nil, plain.Mechanism{Username: "operator", Password: "sesame"}, scram256, scram512} {
		b := newBox(t, mechanism, letterOf("1", "7"))
		if _, err := settler(t, b).Settle(t.Context(), Replayed, unsettled(t, b)); err != nil {
			t.Errorf("%v: %v", mechanism, err)
		}
		published := records(t, b)
		if len(published) != 1 || published[0].Partition != 1 || string(published[0].Value) != "7" || len(unsettled(t, b)) != 0 {
			t.Errorf("%v: published are %+v", mechanism, published)
		}
	}
}

// TestSettlerTakesOver lets a second settler begin while a first one has letters
// in hand: the first can settle nothing any more.
func TestSettlerTakesOver(t *testing.T) {
	b := newBox(t, nil, letterOf("0", "7"), letterOf("1", "8"))
	first := settler(t, b)
	inHand := unsettled(t, b)
	second := settler(t, b)
	if _, err := first.Settle(t.Context(), Replayed, inHand); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("the first settler: %v", err)
	}
	if _, err := second.Settle(t.Context(), Replayed, unsettled(t, b)); err != nil {
		t.Error(err)
	}
	if n := len(records(t, b)); n != 2 {
		t.Errorf("%d records are published, want 2", n)
	}
}

// TestSettleAllOrNone has a letter whose partition is not there any more.
func TestSettleAllOrNone(t *testing.T) {
	b := newBox(t, nil, letterOf("0", "7"), letterOf("5", "8"))
	s := settler(t, b)
	if _, err := s.Settle(t.Context(), Replayed, unsettled(t, b)); err == nil {
		t.Error("a record was put on a partition that is not there")
	}
	if published, left := records(t, b), unsettled(t, b); len(published) != 0 || len(left) != 2 {
		t.Errorf("published are %v, left are %v", published, left)
	}
	if _, err := s.Settle(t.Context(), Discarded, unsettled(t, b)); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	if left := unsettled(t, b); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestLetterIsRead reads a letter of a record that was replayed before, one again
// that was judged twice, and a record that is no dead letter.
func TestLetterIsRead(t *testing.T) {
	origin := kafka.Header{Key: consumer.HeaderOrigin, Value: []byte("activities/0/3")}
	own := kafka.Header{Key: "trace", Value: []byte("t")}
	b := newBox(t, nil, letterOf("0", "7", origin, own), letterOf("0", "7", origin), kafka.Message{Value: []byte("x")})
	letters := unsettled(t, b)
	if len(letters) != 1 {
		t.Fatalf("the letters are %+v", letters)
	}
	l := letters[0]
	if l.Origin != "activities/0/3" || l.Record != (consumer.Place{Topic: "activities", Offset: 7}) || l.ID() != "0/0" ||
		len(l.Headers) != 1 || l.Headers[0].Key != "trace" || !l.Time.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("the letter is %+v", l)
	}
}
