package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"leaderboard"
)

// Cluster says how to reach Kafka.
type Cluster struct {
	// Brokers are host:port addresses to begin with.
	Brokers  []string
	ClientID string
	// TLS is nil for a connection in the clear.
	TLS *tls.Config
	// SASL is nil for a connection without credentials.
	SASL sasl.Mechanism
}

// metadataTTL bounds how long a change of leader goes unnoticed; kafka-go
// refreshes its metadata by time only.
const metadataTTL = 2 * time.Second

// Client makes a client of its own connections. It knows only the topics named,
// so that its metadata stays small on a large cluster.
func (c Cluster) Client(topics ...string) *kafka.Client {
	return &kafka.Client{
		Addr:      kafka.TCP(c.Brokers...),
		Timeout:   10 * time.Second,
		Transport: c.transport(topics...),
	}
}

// maxMessageBytes is the largest record that can be dead-lettered: Kafka's
// default limit for a record, with room for the headers that a dead letter adds.
const maxMessageBytes = 2 << 20

// Writer makes a writer that waits for all in-sync replicas and puts a key on
// the partition where Java's default partitioner puts it. The caller closes it.
func (c Cluster) Writer(topic string) *kafka.Writer {
	return &kafka.Writer{
		Addr:         kafka.TCP(c.Brokers...),
		Topic:        topic,
		Balancer:     kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll,
		BatchSize:    5000,
		BatchBytes:   maxMessageBytes / 2,
		BatchTimeout: 5 * time.Millisecond,
		Compression:  kafka.Lz4,
		Transport:    c.transport(topic),
	}
}

func (c Cluster) transport(topics ...string) *kafka.Transport {
	return &kafka.Transport{
		ClientID:       c.ClientID,
		TLS:            c.TLS,
		SASL:           c.SASL,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
	}
}

func (c Cluster) dialer() *kafka.Dialer {
	return &kafka.Dialer{
		ClientID:      c.ClientID,
		TLS:           c.TLS,
		SASLMechanism: c.SASL,
		Timeout:       5 * time.Second,
		DualStack:     true,
	}
}

// Probe connects to one of the brokers, signs in, and asks what it is. Its error
// says why none would do, which kafka-go's transport does not.
func (c Cluster) Probe(ctx context.Context) error {
	var failures []error
	for _, address := range c.Brokers {
		err := greet(ctx, c.dialer(), address)
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("broker %s: %w", address, err))
	}
	return errors.Join(failures...)
}

func greet(ctx context.Context, dialer *kafka.Dialer, address string) error {
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(dialer.Timeout)); err != nil {
		return err
	}
	if _, err := connection.ApiVersions(); err != nil {
		return fmt.Errorf("no Kafka answers: %w", err)
	}
	return nil
}

// temporary tells an error that time may mend from one that it will not.
func temporary(err error) bool { return !errors.Is(err, leaderboard.ErrCannotGoOn) }
