package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/status"
)

type statusCommand struct {
	Watch  bool          `env:"STATUS_WATCH" help:"Look again and again until the signal to end."`
	Every  time.Duration `env:"STATUS_EVERY" default:"2s" placeholder:"TIME" help:"How often --watch looks (${default})."`
	Group  string        `name:"kafka-group" env:"KAFKA_GROUP" default:"leaderboard" placeholder:"NAME" help:"Consumer group of the projectors, as bin/projector has it (${default})."`
	Output output        `embed:"" envprefix:"STATUS_"`
	letterBox
	Redis daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log   daemon.Log   `embed:"" set:"log_level=warn"`
}

// Help is what --help says besides.
func (c *statusCommand) Help() string {
	return `Tells from what Kafka and Redis hold how topics, boards, projectors, dead letters and the catalog are. It needs neither a projector nor a query service, changes nothing, and shows what one server holds while the other one is away.

Exit code 0: all is well. 1: something is wrong, and is said with what to do. 2: a wrong setting.`
}

// Check names every wrong setting.
func (c *statusCommand) Check() error {
	mistakes := []error{c.Kafka.Check(), c.Redis.Check(), c.Log.Check(), daemon.CheckPositive("every", c.Every)}
	if c.Group == "" {
		mistakes = append(mistakes, daemon.Mistakenf("kafka-group", "is empty"))
	}
	return errors.Join(mistakes...)
}

func (c *statusCommand) execute(ctx context.Context, std streams) error {
	log := c.Log.Logger(std.err)
	cluster, err := c.Kafka.Cluster(name)
	if err != nil {
		return err
	}
	store, err := c.Redis.Client(name)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	config := status.Config{
		Cluster: cluster, Topics: c.Kafka.TopicNames(), Letters: c.box(cluster, log),
		Group: func(generation int) string { return daemon.GroupOf(c.Group, generation) },
		Redis: store, RedisAddrs: c.Redis.Addrs,
	}
	if !c.Watch {
		report := status.Look(ctx, config)
		return errors.Join(c.Output.print(std.out, report, report.WriteText), report.Err())
	}
	return c.watch(ctx, std, config)
}

// clearScreen moves the cursor of a terminal to the top and takes away all below.
const clearScreen = "\x1b[H\x1b[2J"

// watch looks until ctx ends, as it is meant to.
func (c *statusCommand) watch(ctx context.Context, std streams, config status.Config) error {
	for ctx.Err() == nil {
		report := status.Look(ctx, config)
		if ctx.Err() != nil {
			break // what was cut off says nothing
		}
		if !c.Output.JSON && isTerminal(std.out) {
			_, _ = fmt.Fprint(std.out, clearScreen)
		}
		if err := c.Output.print(std.out, report, report.WriteText); err != nil {
			return err
		}
		_ = pause(ctx, c.Every)
	}
	return nil //nolint:nilerr // to be ended is no failure of it
}
