package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/feed"
)

type applyCommand struct {
	File   string       `short:"f" env:"CATALOG_FILE" placeholder:"FILE.yaml" help:"Catalog with orgs and targetGroups. What it does not name stays as it is."`
	Output output       `embed:"" envprefix:"CATALOG_"`
	Kafka  daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *applyCommand) Check() error {
	if c.File == "" {
		return errors.Join(c.Kafka.Check(), daemon.Mistakenf("file", "is missing; it names the catalog file"))
	}
	return errors.Join(c.Kafka.Check(), checkFile("file", c.File))
}

func (c *applyCommand) execute(ctx context.Context, std streams) error {
	file, err := feed.ReadCatalogFile(c.File)
	if err != nil {
		return err
	}
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	changes, err := feed.ApplyCatalog(ctx, cluster, c.Kafka.Topics.Catalog, file)
	if err != nil {
		return fmt.Errorf("nothing of %s was applied:\n%w", c.File, err)
	}
	words := make([]string, len(changes))
	for i, change := range changes {
		words[i] = fmt.Sprintf("%s %s", change.Key, change.Kind)
	}
	return c.Output.print(std.out, map[string]any{"changes": changes}, lines(words...))
}

type showCommand struct {
	Output output       `embed:"" envprefix:"CATALOG_"`
	Kafka  daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *showCommand) Check() error { return c.Kafka.Check() }

func (c *showCommand) execute(ctx context.Context, std streams) error {
	cluster, err := connect(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	catalog, err := feed.ReadCatalog(ctx, cluster, c.Kafka.Topics.Catalog)
	if err != nil {
		return err
	}
	return c.Output.print(std.out, catalog, func(w io.Writer) error {
		text, err := yaml.Marshal(catalog)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
}
