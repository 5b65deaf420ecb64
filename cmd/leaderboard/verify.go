package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/verify"
)

type verifyCommand struct {
	Board      []string     `env:"VERIFY_BOARDS" placeholder:"ORG:GROUP:RULE:PERIOD" help:"Board to compare, several separated by commas; without it all."`
	Generation int          `env:"VERIFY_GENERATION" default:"0" placeholder:"N" help:"Generation of boards to compare; 0 is the one that is read (${default})."`
	Repair     bool         `env:"VERIFY_REPAIR" help:"Put what the log says in the place of every board that differs."`
	Output     output       `embed:"" envprefix:"VERIFY_"`
	Kafka      daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis      daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log        daemon.Log   `embed:"" set:"log_level=warn"`
}

// Help is what --help says besides.
func (c *verifyCommand) Help() string {
	return `Folds the log again and compares it with Redis, each shard at its fence, while the stream flows.

Exit code 0: all boards compared agree with the log, or were repaired. 1: a board differs, or could not be proved, as when records were deleted from the log by retention. 2: a wrong setting.`
}

// usersShown bounds the users that are printed of a board.
const usersShown = 20

// Check names every wrong setting.
func (c *verifyCommand) Check() error {
	mistakes := []error{c.Kafka.Check(), c.Redis.Check(), c.Log.Check()}
	for _, name := range c.Board {
		if _, err := leaderboard.ParseBoard(name); err != nil {
			mistakes = append(mistakes, daemon.Mistakenf("board", "%v", err))
		}
	}
	if c.Generation < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("generation", "%d is negative", c.Generation))
	}
	return errors.Join(mistakes...)
}

func (c *verifyCommand) execute(ctx context.Context, std streams) error {
	c.Log.Logger(std.err) // takes what the Redis client has to say
	cluster, err := reach(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	store, err := c.Redis.Client(name)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := store.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("cannot use the Redis that --redis-addrs (REDIS_ADDRS) names: %w", err)
	}
	boards := make([]leaderboard.Board, len(c.Board))
	for i, name := range c.Board {
		if boards[i], err = leaderboard.ParseBoard(name); err != nil {
			return err
		}
	}
	report, err := verify.Run(ctx, verify.Config{
		Cluster:    cluster,
		Topics:     c.Kafka.TopicNames(),
		Redis:      store,
		Generation: c.Generation,
		Boards:     boards,
		Repair:     c.Repair,
		Progress: func(stage string, steps int64) verify.Bar {
			return progress(std.err, stage, steps)
		},
	})
	if report != nil {
		err = errors.Join(err, c.print(std.out, report), report.Err())
	}
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func (c *verifyCommand) print(w io.Writer, report *verify.Report) error {
	return c.Output.print(w, report, func(w io.Writer) error { return report.WriteText(w, usersShown) })
}
