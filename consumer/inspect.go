package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"
)

// TopicState is a topic as it is.
type TopicState struct {
	Name string `json:"name"`
	// Missing is true of a topic that is not there, of which nothing else is told.
	Missing bool `json:"missing"`
	// Partitions are by rising number. Replicas is the least number of them that a
	// partition has.
	Partitions int `json:"partitions"`
	Replicas   int `json:"replicas"`
	// Settings are those that the plan is about, by Kafka's names; none when the
	// broker does not tell them.
	Settings map[string]string `json:"settings"`
	Faults   []TopicFault      `json:"faults"`
}

// TopicFault is what of a topic is not as it is to be.
type TopicFault struct {
	// Setting is Kafka's name of it, or partitions or replicas.
	Setting string `json:"setting"`
	Found   string `json:"found"`
	Wanted  string `json:"wanted"`
	// Mendable is true of a setting that can be changed while everything runs.
	Mendable bool `json:"mendable"`
}

func (f TopicFault) String() string {
	return fmt.Sprintf("%s is %s, not %s", f.Setting, f.Found, f.Wanted)
}

// Cleanup is the topic's cleanup.policy, empty when nobody knows.
func (s *TopicState) Cleanup() string { return s.Settings[settingCleanup] }

// RetentionMillis is how long it keeps its records, in ms: -1 is for ever. False when
// nobody knows.
func (s *TopicState) RetentionMillis() (int64, bool) {
	ms, err := strconv.ParseInt(s.Settings[settingRetention], 10, 64)
	return ms, err == nil
}

// InspectTopics holds the topics against a plan, in its order. A broker that does
// not tell settings, for want of rights, has them left out.
func (c Cluster) InspectTopics(ctx context.Context, plan TopicPlan) ([]TopicState, error) {
	client := c.Client(plan.names()...)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	var found *kafka.MetadataResponse
	err := retry(ctx, func() (err error) {
		found, err = client.Metadata(ctx, &kafka.MetadataRequest{Topics: plan.names()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at the topics: %w", err)
	}
	states := make([]TopicState, len(plan))
	var there []string
	for i := range plan {
		states[i] = TopicState{Name: plan[i].Name, Missing: true, Faults: []TopicFault{}}
		for _, t := range found.Topics {
			switch {
			case t.Name != plan[i].Name || errors.Is(t.Error, kafka.UnknownTopicOrPartition):
			case t.Error != nil:
				return nil, fmt.Errorf("look at topic %s: %w", t.Name, t.Error)
			default:
				states[i].count(t.Partitions)
				there = append(there, t.Name)
			}
		}
	}
	settings, err := describeSettings(ctx, client, there)
	if err != nil {
		return nil, err
	}
	for i := range states {
		states[i].compare(&plan[i], settings[plan[i].Name])
	}
	return states, nil
}

func (s *TopicState) count(partitions []kafka.Partition) {
	s.Missing, s.Partitions = false, len(partitions)
	for i, p := range partitions {
		if i == 0 || len(p.Replicas) < s.Replicas {
			s.Replicas = len(p.Replicas)
		}
	}
}

// describeSettings are the settings of the topics that the broker tells.
func describeSettings(ctx context.Context, client *kafka.Client, topics []string) (map[string]map[string]string, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	request := &kafka.DescribeConfigsRequest{}
	for _, topic := range topics {
		request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			ConfigNames: []string{settingCleanup, settingRetention, settingRetentionBytes, settingMaxMessageBytes},
		})
	}
	answer, err := client.DescribeConfigs(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("look at the settings of the topics: %w", err)
	}
	settings := map[string]map[string]string{}
	for _, resource := range answer.Resources {
		switch {
		case errors.Is(resource.Error, kafka.TopicAuthorizationFailed), errors.Is(resource.Error, kafka.ClusterAuthorizationFailed):
			continue
		case resource.Error != nil:
			return nil, fmt.Errorf("look at the settings of topic %s: %w", resource.ResourceName, resource.Error)
		}
		of := map[string]string{}
		for _, entry := range resource.ConfigEntries {
			of[entry.ConfigName] = entry.ConfigValue
		}
		settings[resource.ResourceName] = of
	}
	return settings, nil
}

// compare finds the faults of a topic that is there.
func (s *TopicState) compare(wanted *TopicWanted, settings map[string]string) {
	if s.Missing {
		return
	}
	s.Settings = settings
	if wanted.FixedPartitions && s.Partitions != wanted.Partitions {
		s.Faults = append(s.Faults, TopicFault{Setting: "partitions", Found: strconv.Itoa(s.Partitions), Wanted: strconv.Itoa(wanted.Partitions)})
	}
	if s.Replicas < wanted.MinReplicas {
		s.Faults = append(s.Faults, TopicFault{Setting: "replicas", Found: strconv.Itoa(s.Replicas), Wanted: strconv.Itoa(wanted.MinReplicas)})
	}
	for _, name := range slices.Sorted(maps.Keys(wanted.Settings)) {
		if value, known := settings[name]; known && !serves(name, value, wanted.Settings[name]) {
			s.Faults = append(s.Faults, TopicFault{Setting: name, Found: value, Wanted: wanted.Settings[name], Mendable: true})
		}
	}
}

// serves tells whether a setting is as wanted, or better.
func serves(name, value, wanted string) bool {
	if name != settingMaxMessageBytes {
		return value == wanted
	}
	found, err := strconv.Atoi(value)
	least, _ := strconv.Atoi(wanted)
	return err == nil && found >= least
}

// MendTopics sets what can be mended of the faults of topics.
func (c Cluster) MendTopics(ctx context.Context, states []TopicState) error {
	request := &kafka.IncrementalAlterConfigsRequest{}
	for i := range states {
		resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: states[i].Name}
		for _, fault := range states[i].Faults {
			if fault.Mendable {
				resource.Configs = append(resource.Configs, kafka.IncrementalAlterConfigsRequestConfig{
					Name: fault.Setting, Value: fault.Wanted, ConfigOperation: kafka.ConfigOperationSet,
				})
			}
		}
		if len(resource.Configs) > 0 {
			request.Resources = append(request.Resources, resource)
		}
	}
	if len(request.Resources) == 0 {
		return nil
	}
	client := c.Client()
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	answer, err := client.IncrementalAlterConfigs(ctx, request)
	if err != nil {
		return fmt.Errorf("change the settings of topics: %w", err)
	}
	for _, resource := range answer.Resources {
		if resource.Error != nil {
			err = errors.Join(err, fmt.Errorf("change the settings of topic %s: %w", resource.ResourceName, resource.Error))
		}
	}
	return err
}
