package servers_test

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard/test/servers"
)

func createTopic(t *testing.T, addr, topic string) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(addr)}
	response, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Errors[topic]; err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, addr, topic, value string) {
	t.Helper()
	writer := &kafka.Writer{
		Addr: kafka.TCP(addr), Topic: topic, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, Transport: &kafka.Transport{},
	}
	if err := writer.WriteMessages(t.Context(), kafka.Message{Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
}

func expectRecords(t *testing.T, addr, topic string, want ...string) {
	t.Helper()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	for i, value := range want {
		message, err := reader.ReadMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if string(message.Value) != value || message.Offset != int64(i) {
			t.Fatalf("offset %d holds %q, want %q at %d", message.Offset, message.Value, value, i)
		}
	}
}

func TestSharedKafkaTakesAndGivesRecords(t *testing.T) {
	brokers := servers.Kafka(t)
	if again := servers.Kafka(t); again[0] != brokers[0] {
		t.Errorf("two Kafkas, at %s and at %s", brokers[0], again[0])
	}
	topic := servers.Topics(t) + "records"
	createTopic(t, brokers[0], topic)
	produce(t, brokers[0], topic, "one")
	produce(t, brokers[0], topic, "two")
	expectRecords(t, brokers[0], topic, "one", "two")
}

func TestTopicsAreUnique(t *testing.T) {
	if a, b := servers.Topics(t), servers.Topics(t); a == b {
		t.Errorf("%q twice", a)
	}
}

func TestKafkaKeepsItsRecordsWhenStoppedAndWhenKilled(t *testing.T) {
	server := servers.KafkaServer(t)
	addr, topic := server.Addr(), "records"
	createTopic(t, addr, topic)
	produce(t, addr, topic, "one")
	server.Stop()
	server.Start()
	expectRecords(t, addr, topic, "one")
	produce(t, addr, topic, "two")
	server.Kill()
	server.Start()
	produce(t, addr, topic, "three")
	expectRecords(t, addr, topic, "one", "two", "three")
}

func TestTopicsInTheKafkaOfTheEnvironmentAreDeletedAfterTheTest(t *testing.T) {
	addr := servers.Kafka(t)[0]
	t.Setenv("TEST_KAFKA_BROKERS", addr)
	var topic string
	t.Run("inner", func(t *testing.T) {
		topic = servers.Topics(t) + "records"
		createTopic(t, servers.Kafka(t)[0], topic)
		produce(t, addr, topic, "one")
	})
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: &kafka.Transport{}}
	metadata, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		t.Fatal(err)
	}
	if err := metadata.Topics[0].Error; !errors.Is(err, kafka.UnknownTopicOrPartition) {
		t.Errorf("the topic is still there: error %v", err)
	}
}
