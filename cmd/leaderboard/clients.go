package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/query"
)

type addCommand struct {
	File   string            `env:"CLIENTS_FILE" placeholder:"FILE" help:"Clients file; made when it is not there."`
	ID     string            `name:"id" env:"CLIENT_ID" placeholder:"ID" help:"Name that the client signs in with."`
	Org    leaderboard.OrgID `env:"CLIENT_ORG" placeholder:"N" help:"Organisation that the client belongs to."`
	Secret string            `env:"CLIENT_SECRET" placeholder:"SECRET" help:"Its secret, better given by the environment; without it one is made and printed once."`
	Access []query.Access    `env:"CLIENT_ACCESS" default:"top,rank,enrichment" placeholder:"NAME" help:"What it may see (${default})."`
}

// Check names every wrong setting.
func (c *addCommand) Check() error {
	var mistakes []error
	if c.File == "" {
		mistakes = append(mistakes, daemon.Mistakenf("file", "is missing; it names the clients file"))
	}
	if c.ID == "" {
		mistakes = append(mistakes, daemon.Mistakenf("id", "is missing"))
	}
	return errors.Join(append(mistakes, daemon.CheckPositive("org", c.Org))...)
}

func (c *addCommand) execute(_ context.Context, std streams) error {
	clients, err := query.LoadClients(c.File)
	if errors.Is(err, os.ErrNotExist) {
		clients, err = new(query.Clients), nil
	}
	if err != nil {
		return fmt.Errorf("--file (CLIENTS_FILE): %w", err)
	}
	secret := c.Secret
	if secret == "" {
		secret = rand.Text()
	}
	if err := clients.Add(c.ID, c.Org, secret, c.Access...); err != nil {
		return err
	}
	if err := clients.Save(c.File); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(std.out, "client %s of organisation %d added to %s\n", c.ID, c.Org, c.File)
	if c.Secret == "" {
		_, _ = fmt.Fprintf(std.out, "its secret, shown this once: %s\n", secret)
	}
	return nil
}
