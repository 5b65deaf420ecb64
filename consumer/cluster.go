package consumer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
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

// Topics names the four topics.
type Topics struct {
	Activities, Catalog, Profiles, DeadLetters string
}

// DefaultTopics are the names of the contract.
func DefaultTopics() Topics {
	return Topics{
		Activities:  "leaderboard.activities",
		Catalog:     "leaderboard.catalog",
		Profiles:    "leaderboard.profiles",
		DeadLetters: "leaderboard.deadletters",
	}
}

// EnsureTopics creates the topics that are missing: activities and profiles with
// the number of partitions given, the catalog with one, so that its records have
// one order. What is there stays as it is. It returns when the topics can be used.
func (c Cluster) EnsureTopics(ctx context.Context, t Topics, partitions int) error {
	retain := kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "-1"}
	compact := kafka.ConfigEntry{ConfigName: "cleanup.policy", ConfigValue: "compact"}
	wanted := []kafka.TopicConfig{
		{Topic: t.Activities, NumPartitions: partitions, ConfigEntries: []kafka.ConfigEntry{retain}},
		{Topic: t.Catalog, NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{compact}},
		{Topic: t.Profiles, NumPartitions: partitions, ConfigEntries: []kafka.ConfigEntry{compact}},
		{Topic: t.DeadLetters, NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{
			retain, {ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(maxMessageBytes)},
		}},
	}
	for i := range wanted {
		wanted[i].ReplicationFactor = -1 // the broker's default
	}
	client := c.Client(t.Activities, t.Catalog, t.Profiles, t.DeadLetters)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	// Only what is missing is asked for: to create takes rights that a program
	// that finds its topics does not need.
	var missing []kafka.TopicConfig
	for _, topic := range wanted {
		switch _, err := listPartitions(ctx, client, topic.Topic); {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			missing = append(missing, topic)
		case err != nil:
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, topic := range missing {
		if err := answer.Errors[topic.Topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic.Topic, err)
		}
		// A new topic is there before its partitions have leaders.
		if err := retry(ctx, func() error { return reachable(ctx, client, topic.Topic) }); err != nil {
			return fmt.Errorf("use the new topic %s: %w", topic.Topic, err)
		}
	}
	return nil
}

// reachable tells whether every partition of a topic can be asked for its bounds.
func reachable(ctx context.Context, client *kafka.Client, topic string) error {
	ids, err := listPartitions(ctx, client, topic)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, _, err := (partition{client, topic, id}).bounds(ctx); err != nil {
			return err
		}
	}
	return nil
}

// retry tries again what may go better a moment later: for example while
// partitions are given new leaders.
func retry(ctx context.Context, attempt func() error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	wait := backoff{}
	for {
		err := attempt()
		var refused kafka.Error
		if err == nil || ctx.Err() != nil || (errors.As(err, &refused) && !refused.Temporary()) {
			return err
		}
		wait.sleep(ctx)
	}
}

// listPartitions lists the partitions of a topic.
func listPartitions(ctx context.Context, client *kafka.Client, topic string) ([]int, error) {
	answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, err
	}
	for _, t := range answer.Topics {
		if t.Name != topic {
			continue
		}
		if t.Error != nil {
			return nil, fmt.Errorf("topic %s: %w", topic, t.Error)
		}
		ids := make([]int, len(t.Partitions))
		for i, p := range t.Partitions {
			ids[i] = p.ID
		}
		return ids, nil
	}
	return nil, fmt.Errorf("topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// temporary tells an error that time may mend from one that it will not.
func temporary(err error) bool {
	var fatal *fatalError
	return !errors.As(err, &fatal)
}

// fatalError ends the consumer: going on would make boards that differ from the log.
type fatalError struct{ reason string }

func (e *fatalError) Error() string { return e.reason }
