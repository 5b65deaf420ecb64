package servers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// Kafka is the brokers of a Kafka that all tests of the binary share; see [Topics].
func Kafka(t testing.TB) []string {
	t.Helper()
	if brokers := givenKafka(); brokers != nil {
		if err := kafkaReady(context.Background(), brokers[0], ""); err != nil {
			t.Fatalf("reach the Kafka of TEST_KAFKA_BROKERS: %v", err)
		}
		announce("kafka given", "kafka: %s, of TEST_KAFKA_BROKERS", strings.Join(brokers, ","))
		return brokers
	}
	addr, err := sharedKafka.start(newKafka)
	if err != nil {
		t.Fatalf("start a Kafka: %v", err)
	}
	return []string{addr}
}

// givenKafka is the brokers that the environment names, nil when it names none.
func givenKafka() []string {
	value := os.Getenv("TEST_KAFKA_BROKERS")
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// Topics is a prefix for the names of the test's topics and groups, so that
// tests can share one Kafka. In a Kafka that is not ours, the topics are deleted
// after the test.
func Topics(t testing.TB) string {
	t.Helper()
	prefix := "test-" + uuid.NewString()[:13] + "."
	if brokers := givenKafka(); brokers != nil {
		t.Cleanup(func() {
			if err := deleteTopics(context.Background(), brokers[0], prefix); err != nil {
				t.Errorf("delete the topics of the test: %v", err)
			}
		})
	}
	return prefix
}

func deleteTopics(ctx context.Context, addr, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(addr)}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	var topics []string
	for _, topic := range metadata.Topics {
		if strings.HasPrefix(topic.Name, prefix) {
			topics = append(topics, topic.Name)
		}
	}
	if topics == nil {
		return nil
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	if err != nil {
		return err
	}
	for topic, err := range deleted.Errors {
		if err != nil {
			return fmt.Errorf("%s: %w", topic, err)
		}
	}
	return nil
}
