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

// TopicPlan says how topics are to be.
type TopicPlan []TopicWanted

// TopicWanted is how one topic is to be.
type TopicWanted struct {
	Name string
	// Partitions and Replicas are those to create it with; 0 is the broker's default.
	Partitions, Replicas int
	// FixedPartitions says that another number of partitions is a fault, MinReplicas
	// that fewer replicas are.
	FixedPartitions bool
	MinReplicas     int
	// Settings are those that it cannot do its work without, by Kafka's names.
	Settings map[string]string
}

const (
	settingCleanup         = "cleanup.policy"
	settingRetention       = "retention.ms"
	settingRetentionBytes  = "retention.bytes"
	settingMaxMessageBytes = "max.message.bytes"
)

// Plan says how the topics are to be: activities and profiles with the number of
// partitions given, the catalog with one, so that its records have one order.
func (t Topics) Plan(partitions int) TopicPlan {
	return TopicPlan{
		{Name: t.Activities, Partitions: partitions, Settings: keptForever()},
		{Name: t.Catalog, Partitions: 1, FixedPartitions: true, Settings: compacted()},
		{Name: t.Profiles, Partitions: partitions, Settings: compacted()},
		{Name: t.Erasures, Partitions: 1, Settings: compacted()},
		{Name: t.DeadLetters, Partitions: 1, Settings: deadLettersKept()},
	}
}

// Compacted is a topic that keeps the last record of each key, of one partition.
func Compacted(topic string) TopicWanted {
	return TopicWanted{Name: topic, Partitions: 1, Settings: compacted()}
}

func compacted() map[string]string { return map[string]string{settingCleanup: "compact"} }

func keptForever() map[string]string {
	return map[string]string{settingCleanup: "delete", settingRetention: "-1", settingRetentionBytes: "-1"}
}

func deadLettersKept() map[string]string {
	settings := keptForever()
	settings[settingMaxMessageBytes] = strconv.Itoa(maxMessageBytes)
	return settings
}

func (p TopicPlan) names() []string {
	names := make([]string, len(p))
	for i := range p {
		names[i] = p[i].Name
	}
	return names
}

// EnsureTopics creates the topics that are missing, and tells which. What is there
// stays as it is. It returns when the topics can be used.
func (c Cluster) EnsureTopics(ctx context.Context, plan TopicPlan) (created []string, err error) {
	client := c.Client(plan.names()...)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	// Only what is missing is asked for: to create takes rights that a program
	// that finds its topics does not need.
	var missing []kafka.TopicConfig
	for _, topic := range plan {
		switch _, err := listPartitions(ctx, client, topic.Name); {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			missing = append(missing, topic.config())
		case err != nil:
			return nil, err
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
	}
	for _, topic := range missing {
		switch err := answer.Errors[topic.Topic]; {
		case err == nil:
			created = append(created, topic.Topic)
		case !errors.Is(err, kafka.TopicAlreadyExists):
			return created, fmt.Errorf("create topic %s: %w", topic.Topic, err)
		}
		// A new topic is there before its partitions have leaders.
		if err := retry(ctx, func() error { return reachable(ctx, client, topic.Topic) }); err != nil {
			return created, fmt.Errorf("use the new topic %s: %w", topic.Topic, err)
		}
	}
	return created, nil
}

// config is what the broker is asked for.
func (w *TopicWanted) config() kafka.TopicConfig {
	config := kafka.TopicConfig{Topic: w.Name, NumPartitions: w.Partitions, ReplicationFactor: w.Replicas}
	if config.NumPartitions == 0 {
		config.NumPartitions = -1
	}
	if config.ReplicationFactor == 0 {
		config.ReplicationFactor = -1
	}
	for name, value := range w.Settings {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	return config
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
