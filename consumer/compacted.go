package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// EnsureCompacted creates a compacted topic of one partition when it is missing,
// and returns when it can be used.
func (c Cluster) EnsureCompacted(ctx context.Context, topic string) error {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	if _, err := listPartitions(ctx, client, topic); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return err
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: 1, ReplicationFactor: -1, // the broker's default
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}},
	}}})
	if err == nil {
		err = answer.Errors[topic]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	return retry(ctx, func() error { return reachable(ctx, client, topic) })
}
