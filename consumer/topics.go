package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// Topics names the topics.
type Topics struct {
	Activities, Catalog, Profiles, DeadLetters, Erasures string
}

// DefaultTopics are the names of the contract.
func DefaultTopics() Topics {
	return Topics{
		Activities:  "leaderboard.activities",
		Catalog:     "leaderboard.catalog",
		Profiles:    "leaderboard.profiles",
		DeadLetters: "leaderboard.deadletters",
		Erasures:    "leaderboard.erasures",
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
		{Topic: t.Erasures, NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{compact}},
		{Topic: t.DeadLetters, NumPartitions: 1, ConfigEntries: []kafka.ConfigEntry{
			retain, {ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(maxMessageBytes)},
		}},
	}
	for i := range wanted {
		wanted[i].ReplicationFactor = -1 // the broker's default
	}
	client := c.Client(t.Activities, t.Catalog, t.Profiles, t.DeadLetters, t.Erasures)
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
