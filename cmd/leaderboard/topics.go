package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/status"
	"leaderboard/consumer"
)

type createTopicsCommand struct {
	Partitions        int    `env:"TOPICS_PARTITIONS" default:"0" placeholder:"N" help:"Partitions that activities and profiles are to have; 0 is as many as they have, or --kafka-partitions where they are missing (${default})."`
	ReplicationFactor int    `env:"TOPICS_REPLICATION_FACTOR" default:"0" placeholder:"N" help:"Replicas that all are to have; 0 is as many as they have, or the brokers' default where they are missing (${default})."`
	Alter             bool   `env:"TOPICS_ALTER" help:"Set what differs and can be set while everything runs: cleanup.policy, retention.ms, retention.bytes, max.message.bytes."`
	Output            output `embed:"" envprefix:"TOPICS_"`
	letterBox
}

// Help is what --help says besides.
func (c *createTopicsCommand) Help() string {
	return `Creates the topics that are missing, and holds all against how they are to be. The projector creates them too; this is for whoever wants other numbers, or gives the projector no right to create.

Exit code 0: all are as they are to be. 1: one differs, which is said with how to mend it. 2: a wrong setting.`
}

// Check names every wrong setting.
func (c *createTopicsCommand) Check() error {
	mistakes := []error{c.Kafka.Check()}
	if c.Partitions < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("partitions", "%d is negative", c.Partitions))
	}
	if c.ReplicationFactor < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("replication-factor", "%d is negative", c.ReplicationFactor))
	}
	return errors.Join(mistakes...)
}

// plan is how the topics are to be.
func (c *createTopicsCommand) plan() consumer.TopicPlan {
	topics := c.Kafka.TopicNames()
	plan := append(topics.Plan(c.Kafka.Partitions), consumer.Compacted(c.settledTopic()))
	for i := range plan {
		w := &plan[i]
		w.Replicas, w.MinReplicas = c.ReplicationFactor, c.ReplicationFactor
		if c.Partitions > 0 && (w.Name == topics.Activities || w.Name == topics.Profiles) {
			w.Partitions, w.FixedPartitions = c.Partitions, true
		}
	}
	return plan
}

// createdTopic is what became of a topic.
type createdTopic struct {
	consumer.TopicState
	Created bool `json:"created"`
	// Altered are the faults that it had.
	Altered []consumer.TopicFault `json:"altered"`
}

func (c *createTopicsCommand) execute(ctx context.Context, std streams) error {
	cluster, err := reach(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	plan := c.plan()
	created, err := cluster.EnsureTopics(ctx, plan)
	if err != nil {
		return err
	}
	before, err := cluster.InspectTopics(ctx, plan)
	if err != nil {
		return err
	}
	after := before
	if c.Alter {
		if err := cluster.MendTopics(ctx, before); err != nil {
			return err
		}
		if after, err = cluster.InspectTopics(ctx, plan); err != nil {
			return err
		}
	}
	topics, differing := make([]createdTopic, len(after)), 0
	for i, state := range after {
		altered := slices.DeleteFunc(slices.Clone(before[i].Faults), func(f consumer.TopicFault) bool { return slices.Contains(state.Faults, f) })
		topics[i] = createdTopic{TopicState: state, Created: slices.Contains(created, state.Name), Altered: altered}
		differing += min(1, len(state.Faults))
	}
	err = c.Output.print(std.out, map[string]any{"topics": topics}, func(w io.Writer) error { return writeTopics(w, topics) })
	if differing > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d topics are not as they are to be", differing, len(topics)))
	}
	return err
}

func writeTopics(w io.Writer, topics []createdTopic) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "TOPIC\tPARTITIONS\tREPLICAS\tSTATE")
	for i := range topics {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", topics[i].Name, topics[i].Partitions, topics[i].Replicas, topics[i].state())
	}
	err := table.Flush()
	for i := range topics {
		for _, fault := range topics[i].Faults {
			_, lineErr := fmt.Fprintf(w, "%s: %s\n  %s\n", topics[i].Name, fault, status.Advice(fault))
			err = errors.Join(err, lineErr)
		}
	}
	return err
}

func (t *createdTopic) state() string {
	switch {
	case len(t.Faults) > 0:
		return "differs"
	case t.Created:
		return "created"
	case len(t.Altered) > 0:
		return "altered"
	default:
		return "right"
	}
}
