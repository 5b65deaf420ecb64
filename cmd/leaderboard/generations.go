package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/status"
	"leaderboard/consumer"
	"leaderboard/projector"
)

type listGenerationsCommand struct {
	Output output       `embed:"" envprefix:"GENERATIONS_"`
	Kafka  daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis  daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
}

// Check names every wrong setting.
func (c *listGenerationsCommand) Check() error { return errors.Join(c.Kafka.Check(), c.Redis.Check()) }

func (c *listGenerationsCommand) execute(ctx context.Context, std streams) error {
	client, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	log, err := consumer.Extents(ctx, cluster, c.Kafka.Topics.Activities)
	if err != nil {
		return err
	}
	generations, err := projector.Generations(ctx, client)
	if err != nil {
		return err
	}
	all := make([]status.Generation, len(generations))
	for i, g := range generations {
		all[i] = status.NewGeneration(g, log)
	}
	return c.Output.print(std.out, map[string]any{"generations": all}, func(w io.Writer) error { return writeGenerations(w, all) })
}

func writeGenerations(w io.Writer, all []status.Generation) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "GENERATION\tREAD\tSHARDS\tBOARDS\tBEHIND\tSTATE")
	for _, p := range all {
		read, state := "no", "complete"
		if p.Read {
			read = "yes"
		}
		if lacks := p.Lacks(); len(lacks) > 0 {
			state = strings.Join(lacks, "; ")
		}
		if p.Dropped {
			state = "dropped but not all freed: drop it again"
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%d\t%s\n", p.Generation, read, p.Shards, p.Boards, *p.Behind, state)
	}
	return table.Flush()
}

type promoteCommand struct {
	Generation int           `arg:"" placeholder:"N" help:"Generation that readers are to use."`
	Force      bool          `env:"PROMOTE_FORCE" help:"Also when it is not caught up or the log has holes."`
	Wait       time.Duration `env:"PROMOTE_WAIT" default:"15s" placeholder:"TIME" help:"How long it may take to come to where the log ends now (${default}); twice the projector's --sync-interval is enough for one that is up to date."`
	Output     output        `embed:"" envprefix:"GENERATIONS_"`
	Kafka      daemon.Kafka  `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis      daemon.Redis  `embed:"" prefix:"redis-" envprefix:"REDIS_"`
}

// Check names every wrong setting.
func (c *promoteCommand) Check() error {
	mistakes := []error{checkGeneration(c.Generation), c.Kafka.Check(), c.Redis.Check()}
	if c.Wait < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("wait", "%s is negative", c.Wait))
	}
	return errors.Join(mistakes...)
}

func (c *promoteCommand) execute(ctx context.Context, std streams) error {
	client, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if !c.Force {
		turning := spinner(std.err, "waiting for the generation to catch up")
		if err := errors.Join(c.awaitCaughtUp(ctx, client), turning.Finish()); err != nil {
			return err
		}
	}
	before, err := projector.Promote(ctx, client, c.Generation)
	if err != nil {
		return err
	}
	promoted := map[string]any{"generation": c.Generation}
	if n, err := strconv.Atoi(before); err == nil {
		promoted["readBefore"] = n
	}
	return c.Output.print(std.out, promoted, sentence("generation %d is read now, before it was %s\n", c.Generation, before))
}

// progressPoll is the time between two looks at a generation that catches up.
const progressPoll = 200 * time.Millisecond

// awaitCaughtUp waits until the generation has all that the log holds now.
func (c *promoteCommand) awaitCaughtUp(ctx context.Context, client redis.UniversalClient) error {
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	log, err := consumer.Extents(ctx, cluster, c.Kafka.Topics.Activities)
	if err != nil {
		return err
	}
	enough := time.Now().Add(c.Wait)
	for {
		generations, err := projector.Generations(ctx, client)
		if err != nil {
			return err
		}
		var lacks []string
		for _, g := range generations {
			if g.Generation == c.Generation && !g.Dropped {
				p := status.NewGeneration(g, log)
				lacks = p.Lacks()
			}
		}
		if len(lacks) == 0 {
			return nil
		}
		if time.Now().After(enough) {
			return fmt.Errorf("generation %d is not promoted, it does not have all of the log: %s. Wait until it has, or use --force", c.Generation, strings.Join(lacks, "; "))
		}
		if err := pause(ctx, progressPoll); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type dropCommand struct {
	Generation int           `arg:"" placeholder:"N" help:"Generation to free. It can never be written again."`
	Grace      time.Duration `env:"DROP_GRACE" default:"15s" placeholder:"TIME" help:"How long after the promotion of another one readers may still use it (${default}); at least a second and twice the query services' --request-timeout."`
	Output     output        `embed:"" envprefix:"GENERATIONS_"`
	Redis      daemon.Redis  `embed:"" prefix:"redis-" envprefix:"REDIS_"`
}

// Check names every wrong setting.
func (c *dropCommand) Check() error {
	mistakes := []error{checkGeneration(c.Generation), c.Redis.Check()}
	if c.Grace < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("grace", "%s is negative", c.Grace))
	}
	return errors.Join(mistakes...)
}

func (c *dropCommand) execute(ctx context.Context, std streams) error {
	client, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	turning := spinner(std.err, "waiting for readers to leave the generation, and freeing it")
	if err := errors.Join(projector.Drop(ctx, client, c.Generation, c.Grace), turning.Finish()); err != nil {
		return err
	}
	return c.Output.print(std.out, map[string]any{"generation": c.Generation, "dropped": true}, sentence("generation %d is dropped\n", c.Generation))
}

// checkGeneration finds fault with a generation that is named as an argument.
func checkGeneration(n int) error {
	if n <= 0 {
		return errors.New("the generation is not a whole number above 0")
	}
	return nil
}
