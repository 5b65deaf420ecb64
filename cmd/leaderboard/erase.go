package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
)

type eraseCommand struct {
	Org    leaderboard.OrgID  `env:"ORG" placeholder:"N" help:"Organisation of the user."`
	User   leaderboard.UserID `env:"USER_ID" placeholder:"N" help:"User to erase."`
	Output output             `embed:"" envprefix:"ERASE_"`
	Kafka  daemon.Kafka       `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *eraseCommand) Check() error {
	return errors.Join(c.Kafka.Check(), daemon.CheckPositive("org", c.Org), daemon.CheckPositive("user", c.User))
}

// execute publishes the tombstone from which the projector does the rest.
func (c *eraseCommand) execute(ctx context.Context, std streams) error {
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	writer := cluster.Writer(c.Kafka.Topics.Profiles)
	err = writer.WriteMessages(ctx, kafka.Message{Key: []byte(leaderboard.UserKey(c.Org, c.User))})
	if err := errors.Join(err, writer.Close()); err != nil {
		return fmt.Errorf("write the tombstone to topic %s: %w", c.Kafka.Topics.Profiles, err)
	}
	return c.Output.print(std.out,
		map[string]any{"orgId": c.Org, "userId": c.User, "topic": c.Kafka.Topics.Profiles},
		sentence("user %d of organisation %d will be erased: a tombstone is published to %s\n", c.User, c.Org, c.Kafka.Topics.Profiles))
}
