package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/feed"
	"leaderboard/cmd/internal/simulation"
	"leaderboard/consumer"
)

type simulateCommand struct {
	Rate         float64           `env:"SIMULATE_RATE" default:"50" placeholder:"N" help:"Activities a second (${default})."`
	Count        int               `env:"SIMULATE_COUNT" default:"0" placeholder:"N" help:"End after so many activities; 0 goes on until the signal to end (${default})."`
	Users        int               `env:"SIMULATE_USERS" default:"1000" placeholder:"N" help:"Users who do something (${default})."`
	Boards       int               `env:"SIMULATE_BOARDS" default:"3" placeholder:"N" help:"Boards that they do it on: those of --apply-catalog, else the first of the catalog that have a running period (${default})."`
	Skew         float64           `env:"SIMULATE_SKEW" default:"1.1" placeholder:"S" help:"How much more the first users do than the last: the exponent of Zipf's law, above 1; 0 is all the same (${default})."`
	Org          leaderboard.OrgID `env:"SIMULATE_ORG" default:"0" placeholder:"N" help:"Only boards of this organisation of the catalog; 0 is any (${default})."`
	ApplyCatalog bool              `env:"SIMULATE_APPLY_CATALOG" help:"First write a made-up organisation with --boards boards, and profiles of the users unless there are some."`
	Output       output            `embed:"" envprefix:"SIMULATE_"`
	Kafka        daemon.Kafka      `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *simulateCommand) Check() error {
	mistakes := []error{
		c.Kafka.Check(),
		daemon.CheckPositive("rate", c.Rate),
		daemon.CheckPositive("users", c.Users),
		daemon.CheckPositive("boards", c.Boards),
	}
	if c.Count < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("count", "%d is negative", c.Count))
	}
	if c.Skew != 0 && c.Skew <= 1 {
		mistakes = append(mistakes, daemon.Mistakenf("skew", "%v is neither 0 nor above 1", c.Skew))
	}
	switch {
	case c.Org < 0:
		mistakes = append(mistakes, daemon.Mistakenf("org", "%d is negative", c.Org))
	case c.Org != 0 && c.ApplyCatalog:
		mistakes = append(mistakes, daemon.Mistakenf("org", "does not go with --apply-catalog, which has an organisation of its own"))
	}
	return errors.Join(mistakes...)
}

func (c *simulateCommand) execute(ctx context.Context, std streams) error {
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	simulated, err := c.simulation(ctx, cluster)
	if err != nil {
		return err
	}
	if !c.Output.JSON {
		_, _ = fmt.Fprintf(std.out, "publishing %v activities a second to %s, users: %d, boards: %d\n", c.Rate, c.Kafka.Topics.Activities, c.Users, simulated.Boards())
	}
	size := int64(c.Count)
	if size == 0 {
		size = -1
	}
	bar := progress(std.err, "activities", size)
	writer := cluster.Writer(c.Kafka.Topics.Activities)
	start, published := time.Now(), 0
	err = simulated.Run(ctx, writer, c.Rate, c.Count, func(n int) {
		published += n
		_ = bar.Add(n)
	})
	err = errors.Join(err, writer.Close(), bar.Finish())
	return errors.Join(err, c.summarise(std, published, simulated.Boards(), time.Since(start)))
}

// simulation prepares the catalog and finds the boards in it.
func (c *simulateCommand) simulation(ctx context.Context, cluster consumer.Cluster) (*simulation.Simulation, error) {
	config := simulation.Config{Org: c.Org, Boards: c.Boards, Users: c.Users, Skew: c.Skew}
	if c.ApplyCatalog {
		config.Org = simulation.Org
		if err := c.apply(ctx, cluster); err != nil {
			return nil, err
		}
	}
	var err error
	if config.Catalog, err = feed.ReadCatalog(ctx, cluster, c.Kafka.Topics.Catalog); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // made-up activities
	simulated := simulation.New(config, time.Now(), random)
	if simulated == nil {
		return nil, errors.New("the catalog has no board with a running period: apply one that has, or use --apply-catalog")
	}
	return simulated, nil
}

// apply writes the made-up catalog and the profiles of its users.
func (c *simulateCommand) apply(ctx context.Context, cluster consumer.Cluster) error {
	catalog, err := simulation.Catalog(time.Now(), c.Boards)
	if err != nil {
		return err
	}
	topics := c.Kafka.Topics
	if _, err := feed.ApplyCatalog(ctx, cluster, topics.Catalog, feed.CatalogFile{CatalogDocument: catalog}); err != nil {
		return fmt.Errorf("the made-up catalog does not go with the one that is there:\n%w", err)
	}
	empty, err := feed.IsEmpty(ctx, cluster, topics.Profiles)
	if err != nil || !empty {
		return err
	}
	profiles, err := simulation.Profiles(simulation.Org, c.Users)
	if err != nil {
		return err
	}
	writer := cluster.Writer(topics.Profiles)
	_, err = feed.Lines{Writer: writer, Key: feed.ProfileKey}.Publish(ctx, strings.NewReader(profiles))
	return errors.Join(err, writer.Close())
}

func (c *simulateCommand) summarise(std streams, published, boards int, elapsed time.Duration) error {
	topic := c.Kafka.Topics.Activities
	return c.Output.print(std.out,
		map[string]any{"activities": published, "users": c.Users, "boards": boards, "topic": topic, "seconds": elapsed.Seconds()},
		sentence("%d activities published to %s in %s, %.0f a second\n", published, topic, elapsed.Round(time.Millisecond), float64(published)/elapsed.Seconds()))
}
