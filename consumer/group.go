package consumer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// Group is a consumer group as the brokers know it.
type Group struct {
	Name string `json:"name"`
	// State is Kafka's word for it, such as Stable, Empty or Dead.
	State   string   `json:"state"`
	Members []Member `json:"members"`
	// Committed are by partition of the topic asked for. They are a hint for tools:
	// what counts is the fences in Redis.
	Committed map[int]int64 `json:"-"`
}

// Member is a process in a group.
type Member struct {
	ID       string `json:"id"`
	ClientID string `json:"clientId"`
	Host     string `json:"host"`
	// Partitions are those of the topic asked for.
	Partitions []int `json:"partitions"`
}

// DescribeGroup tells who is in a group, and what it has committed of a topic with
// those partitions.
func (c Cluster) DescribeGroup(ctx context.Context, name, topic string, log []leaderboard.Extent) (Group, error) {
	client := c.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	group := Group{Name: name, Members: []Member{}, Committed: map[int]int64{}}
	described, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{name}})
	if err != nil {
		return group, fmt.Errorf("look at group %s: %w", name, err)
	}
	for _, g := range described.Groups {
		if g.Error != nil {
			return group, fmt.Errorf("look at group %s: %w", name, g.Error)
		}
		group.State = g.GroupState
		for i := range g.Members {
			group.Members = append(group.Members, newMember(&g.Members[i], topic))
		}
	}
	slices.SortFunc(group.Members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	partitions := make([]int, len(log))
	for i, extent := range log {
		partitions[i] = extent.Partition
	}
	committed, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: name, Topics: map[string][]int{topic: partitions}})
	if err == nil {
		err = committed.Error
	}
	if err != nil {
		return group, fmt.Errorf("look at what group %s has committed: %w", name, err)
	}
	for _, p := range committed.Topics[topic] {
		if p.Error == nil && p.CommittedOffset >= 0 {
			group.Committed[p.Partition] = p.CommittedOffset
		}
	}
	return group, nil
}

func newMember(m *kafka.DescribeGroupsResponseMember, topic string) Member {
	member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Partitions: []int{}}
	for _, t := range m.MemberAssignments.Topics {
		if t.Topic == topic {
			member.Partitions = append(member.Partitions, t.Partitions...)
		}
	}
	slices.Sort(member.Partitions)
	return member
}
