package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"

	"leaderboard/test/programs"
)

// moveLeaders lets one broker after the other lead all partitions, those of the
// group's offsets among them, and kills the last one.
func moveLeaders(w *world) func() {
	for _, leader := range []int{2, 1, 3} {
		programs.Await(w.t, fmt.Sprintf("broker %d to lead all partitions", leader), func() error { return w.lead(leader) })
		w.flowOn(0.05)
	}
	killed := w.cluster[2]
	killed.Kill()
	programs.Await(w.t, "other brokers to lead all partitions", func() error {
		return w.checkLeaders(func(leader int) bool { return leader == 1 || leader == 2 })
	})
	return killed.Start
}

// lead asks Kafka to make a broker the leader of all partitions, and tells whether
// it is.
func (w *world) lead(leader int) error {
	client, ctx := w.kafka(), context.Background()
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	for _, topic := range metadata.Topics {
		if err := prefer(ctx, client, topic, leader); err != nil {
			return fmt.Errorf("topic %s: %w", topic.Name, err)
		}
	}
	return w.checkLeaders(func(now int) bool { return now == leader })
}

// prefer makes a broker the first replica of a topic's partitions, which is the
// one that an election prefers, and lets Kafka elect. A partition that Kafka
// refuses to move keeps its leader, so that is where it shows.
func prefer(ctx context.Context, client *kafka.Client, topic kafka.Topic, leader int) error {
	order := &kafka.AlterPartitionReassignmentsRequest{Topic: topic.Name, Timeout: client.Timeout}
	election := &kafka.ElectLeadersRequest{Topic: topic.Name, Timeout: client.Timeout}
	for _, p := range topic.Partitions {
		if p.Leader.ID == leader {
			continue
		}
		replicas := []int{leader}
		for _, r := range p.Replicas {
			if r.ID != leader {
				replicas = append(replicas, r.ID)
			}
		}
		order.Assignments = append(order.Assignments, kafka.AlterPartitionReassignmentsRequestAssignment{PartitionID: p.ID, BrokerIDs: replicas})
		election.Partitions = append(election.Partitions, p.ID)
	}
	if election.Partitions == nil {
		return nil
	}
	ordered, err := client.AlterPartitionReassignments(ctx, order)
	if err != nil {
		return err
	}
	elected, err := client.ElectLeaders(ctx, election)
	if err != nil {
		return err
	}
	return errors.Join(ordered.Error, elected.Error)
}

// checkLeaders tells the first partition whose leader is another one.
func (w *world) checkLeaders(right func(leader int) bool) error {
	metadata, err := w.kafka().Metadata(context.Background(), &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	for _, topic := range metadata.Topics {
		if i := slices.IndexFunc(topic.Partitions, func(p kafka.Partition) bool { return !right(p.Leader.ID) }); i >= 0 {
			return fmt.Errorf("partition %d of %s is led by broker %d", topic.Partitions[i].ID, topic.Name, topic.Partitions[i].Leader.ID)
		}
	}
	return nil
}
