package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"

	"leaderboard/consumer"
)

// Settler settles dead letters in transactions: that a record is published again
// and that it is settled is seen together or not at all, wherever the settler is
// cut off.
type Settler struct {
	client *kgo.Client
	topic  string
}

// maxRecordBytes is Kafka's default limit for a record.
const maxRecordBytes = 1 << 20

// NewSettler makes the only settler of a box: one that is at work already can
// settle nothing any more, and what it had under way is taken back. So letters
// that are read from now on are settled once. The caller closes it.
func NewSettler(ctx context.Context, b *Box) (*Settler, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(b.Cluster.Brokers...),
		kgo.ClientID(b.Cluster.ClientID),
		kgo.TransactionalID(b.SettledTopic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(maxRecordBytes),
	}
	if b.Cluster.TLS != nil {
		options = append(options, kgo.DialTLSConfig(b.Cluster.TLS.Clone()))
	}
	if b.Cluster.SASL != nil {
		options = append(options, kgo.SASL(mechanism{b.Cluster.SASL}))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("begin transactions as %s: %w", b.SettledTopic, err)
	}
	return &Settler{client: client, topic: b.SettledTopic}, nil
}

// Close ends the settler.
func (s *Settler) Close() { s.client.Close() }

// Settle settles letters, all of them or, with an error, none. To replay puts each
// record on the partition that it came from.
func (s *Settler) Settle(ctx context.Context, as Outcome, letters []Letter) error {
	var records []*kgo.Record
	settlement, err := json.Marshal(Settlement{As: as, Time: time.Now().UTC().Truncate(time.Millisecond)})
	if err != nil {
		return err
	}
	for i := range letters {
		l := &letters[i]
		if as == Replayed {
			records = append(records, again(l))
		}
		records = append(records, &kgo.Record{Topic: s.topic, Key: []byte(l.Record.String()), Value: settlement})
	}
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	err = s.client.ProduceSync(ctx, records...).FirstErr()
	// The end of a transaction is not left open when ctx ends.
	ctx = context.WithoutCancel(ctx)
	if err == nil {
		err = s.client.EndTransaction(ctx, kgo.TryCommit)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		return errors.New("another run has begun to settle dead letters and takes over; see what deadletters list shows, and run this again when that one is done")
	}
	return errors.Join(err, s.client.AbortBufferedRecords(ctx), s.client.EndTransaction(ctx, kgo.TryAbort))
}

// again is the record of a letter as it came, with where it came from.
func again(l *Letter) *kgo.Record {
	r := &kgo.Record{Topic: l.Record.Topic, Partition: int32(l.Record.Partition), Key: l.Key, Value: l.Value}
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: consumer.HeaderOrigin, Value: []byte(l.Origin)})
	return r
}

// mechanism signs in by a mechanism of the cluster's settings.
type mechanism struct{ sasl.Mechanism }

func (m mechanism) Authenticate(ctx context.Context, _ string) (kgosasl.Session, []byte, error) {
	state, first, err := m.Start(ctx)
	return session{ctx, state}, first, err
}

// session holds on to the context of the sign-in: its interface passes none.
type session struct {
	ctx   context.Context
	state sasl.StateMachine
}

func (s session) Challenge(challenge []byte) (bool, []byte, error) {
	return s.state.Next(s.ctx, challenge)
}
