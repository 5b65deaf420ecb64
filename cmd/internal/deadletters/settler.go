package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	client   *kgo.Client
	topic    string
	erasures *erasures
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
	return &Settler{client: client, topic: b.SettledTopic, erasures: newErasures(b)}, nil
}

// Close ends the settler.
func (s *Settler) Close() { s.client.Close() }

// errErased ends a transaction that was begun before an erasure was known of.
var errErased = errors.New("a user was erased meanwhile")

// Settle settles letters, all of them or, with an error, none, and tells what became
// of each. To replay puts each record on the partition that it came from, but a
// record whose user was erased after it was published first: its letter is settled as
// [Erased].
func (s *Settler) Settle(ctx context.Context, as Outcome, letters []Letter) ([]Outcome, error) {
	for {
		outcomes, err := s.judge(ctx, as, letters)
		if err != nil {
			return nil, err
		}
		records, err := s.records(letters, outcomes)
		if err != nil {
			return nil, err
		}
		// An erasure that comes to the log after the records concerns them there. One
		// that came before them is known by now.
		err = s.transact(ctx, records, func() error {
			again, err := s.judge(ctx, as, letters)
			if err == nil && !slices.Equal(again, outcomes) {
				err = errErased
			}
			return err
		})
		if !errors.Is(err, errErased) {
			return outcomes, err
		}
	}
}

// judge tells what is to become of the letters.
func (s *Settler) judge(ctx context.Context, as Outcome, letters []Letter) ([]Outcome, error) {
	outcomes := slices.Repeat([]Outcome{as}, len(letters))
	if as != Replayed {
		return outcomes, nil
	}
	if err := s.erasures.catchUp(ctx); err != nil {
		return nil, err
	}
	for i := range letters {
		switch erased, err := s.erasures.concern(ctx, &letters[i]); {
		case err != nil:
			return nil, err
		case erased:
			outcomes[i] = Erased
		}
	}
	return outcomes, nil
}

// records are those to write for the outcomes of the letters.
func (s *Settler) records(letters []Letter, outcomes []Outcome) ([]*kgo.Record, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	var records []*kgo.Record
	for i := range letters {
		l := &letters[i]
		if outcomes[i] == Replayed {
			records = append(records, again(l))
		}
		settlement, err := json.Marshal(Settlement{As: outcomes[i], Time: now})
		if err != nil {
			return nil, err
		}
		records = append(records, &kgo.Record{Topic: s.topic, Key: []byte(l.Record.String()), Value: settlement})
	}
	return records, nil
}

// transact writes the records if, once they are written, check finds no fault.
func (s *Settler) transact(ctx context.Context, records []*kgo.Record, check func() error) error {
	if err := s.client.BeginTransaction(); err != nil {
		return err
	}
	err := s.client.ProduceSync(ctx, records...).FirstErr()
	if err == nil {
		err = check()
	}
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
