package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/query/auth"
)

// clientsFile is the file that the commands keep. A running service follows it.
type clientsFile struct {
	File string `env:"CLIENTS_FILE" placeholder:"FILE" help:"Clients file, which running services read again when it changes."`
}

func (f *clientsFile) check() error {
	if f.File == "" {
		return daemon.Mistakenf("file", "is missing; it names the clients file")
	}
	return nil
}

func (f *clientsFile) load() (*auth.Clients, error) {
	clients, err := auth.LoadClients(f.File)
	if err != nil {
		return nil, fmt.Errorf("--file (CLIENTS_FILE): %w", err)
	}
	return clients, nil
}

// change changes the clients in the file.
func (f *clientsFile) change(change func(*auth.Clients) error) error {
	clients, err := f.load()
	if err != nil {
		return err
	}
	if err := change(clients); err != nil {
		return err
	}
	return clients.Save(f.File)
}

func checkID(id string) error {
	if id == "" {
		return daemon.Mistakenf("id", "is missing")
	}
	return nil
}

// keptClient is what became of a client.
type keptClient struct {
	File  string            `json:"file"`
	ID    string            `json:"id"`
	OrgID leaderboard.OrgID `json:"orgId,omitempty"`
	// Secret is one that was made, empty when it was given.
	Secret string `json:"secret,omitempty"`
	// PreviousExpires is when the secret before is not accepted any more.
	PreviousExpires *time.Time `json:"previousSecretExpires,omitempty"`
}

// secret is the one that is given, or else one that is made and shown.
func (k *keptClient) secret(given string) string {
	if given == "" {
		k.Secret = rand.Text()
	}
	return cmp.Or(given, k.Secret)
}

// print shows a made secret besides.
func (k *keptClient) print(w io.Writer, as output, said string) error {
	words := []string{said}
	if k.Secret != "" {
		words = append(words, "its secret, shown this once: "+k.Secret)
	}
	return as.print(w, k, lines(words...))
}

type addCommand struct {
	File   clientsFile       `embed:""`
	ID     string            `name:"id" env:"CLIENT_ID" placeholder:"ID" help:"Name that the client signs in with."`
	Org    leaderboard.OrgID `env:"CLIENT_ORG" placeholder:"N" help:"Organisation that the client belongs to."`
	Secret string            `env:"CLIENT_SECRET" placeholder:"SECRET" help:"Its secret, better given by the environment; without it one is made and printed once."`
	Access []auth.Access     `env:"CLIENT_ACCESS" default:"top,rank,enrichment" placeholder:"NAME" help:"What it may see (${default})."`
	Output output            `embed:"" envprefix:"CLIENTS_"`
}

// Check names every wrong setting.
func (c *addCommand) Check() error {
	return errors.Join(c.File.check(), checkID(c.ID), daemon.CheckPositive("org", c.Org))
}

func (c *addCommand) execute(_ context.Context, std streams) error {
	clients, err := c.File.load()
	if errors.Is(err, os.ErrNotExist) {
		clients, err = new(auth.Clients), nil
	}
	if err != nil {
		return err
	}
	kept := keptClient{File: c.File.File, ID: c.ID, OrgID: c.Org}
	secret := kept.secret(c.Secret)
	if err := clients.Add(c.ID, c.Org, secret, c.Access...); err != nil {
		return err
	}
	if err := clients.Save(c.File.File); err != nil {
		return err
	}
	return kept.print(std.out, c.Output, fmt.Sprintf("client %s of organisation %d added to %s", c.ID, c.Org, c.File.File))
}

type listClientsCommand struct {
	File   clientsFile `embed:""`
	Output output      `embed:"" envprefix:"CLIENTS_"`
}

// Check names every wrong setting.
func (c *listClientsCommand) Check() error { return c.File.check() }

// listedClient is a client without what could prove that one is it.
type listedClient struct {
	ID     string            `json:"id"`
	OrgID  leaderboard.OrgID `json:"orgId"`
	Access []auth.Access     `json:"access"`
	// PreviousExpires is when the secret before this one is not accepted any more.
	PreviousExpires *time.Time `json:"previousSecretExpires,omitempty"`
}

func (c *listClientsCommand) execute(_ context.Context, std streams) error {
	clients, err := c.File.load()
	if err != nil {
		return err
	}
	listed := []listedClient{}
	for _, client := range clients.All() {
		l := listedClient{ID: client.ID, OrgID: client.OrgID, Access: client.Access}
		if p := client.Previous; p != nil && p.Expires.After(time.Now()) {
			l.PreviousExpires = &p.Expires
		}
		listed = append(listed, l)
	}
	return c.Output.print(std.out, map[string]any{"clients": listed}, func(w io.Writer) error { return writeClients(w, listed) })
}

func writeClients(w io.Writer, listed []listedClient) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tORGANISATION\tACCESS\tPREVIOUS SECRET UNTIL")
	for _, l := range listed {
		access, until := "none", "-"
		if len(l.Access) > 0 {
			access = joinAccess(l.Access)
		}
		if l.PreviousExpires != nil {
			until = l.PreviousExpires.UTC().Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", l.ID, l.OrgID, access, until)
	}
	return table.Flush()
}

func joinAccess(access []auth.Access) string {
	names := make([]string, len(access))
	for i, a := range access {
		names[i] = string(a)
	}
	return strings.Join(names, ",")
}

type removeCommand struct {
	File   clientsFile `embed:""`
	ID     string      `name:"id" env:"CLIENT_ID" placeholder:"ID" help:"Client to take away; its secrets and tokens are not accepted any more."`
	Output output      `embed:"" envprefix:"CLIENTS_"`
}

// Check names every wrong setting.
func (c *removeCommand) Check() error { return errors.Join(c.File.check(), checkID(c.ID)) }

func (c *removeCommand) execute(_ context.Context, std streams) error {
	if err := c.File.change(func(clients *auth.Clients) error { return clients.Remove(c.ID) }); err != nil {
		return err
	}
	kept := keptClient{File: c.File.File, ID: c.ID}
	return kept.print(std.out, c.Output, fmt.Sprintf("client %s removed from %s", c.ID, c.File.File))
}

type rotateCommand struct {
	File   clientsFile   `embed:""`
	ID     string        `name:"id" env:"CLIENT_ID" placeholder:"ID" help:"Client to give another secret."`
	Secret string        `env:"CLIENT_SECRET" placeholder:"SECRET" help:"The secret, better given by the environment; without it one is made and printed once."`
	Grace  time.Duration `env:"CLIENT_GRACE" default:"24h" placeholder:"TIME" help:"How long the secret it has now is accepted beside the new one (${default}); 0 ends it at once. One that is older than that ends in any case."`
	Output output        `embed:"" envprefix:"CLIENTS_"`
}

// Check names every wrong setting.
func (c *rotateCommand) Check() error {
	mistakes := []error{c.File.check(), checkID(c.ID)}
	if c.Grace < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("grace", "%s is negative", c.Grace))
	}
	return errors.Join(mistakes...)
}

func (c *rotateCommand) execute(_ context.Context, std streams) error {
	kept := keptClient{File: c.File.File, ID: c.ID}
	secret := kept.secret(c.Secret)
	now := time.Now().UTC().Truncate(time.Second)
	expires := now.Add(c.Grace)
	err := c.File.change(func(clients *auth.Clients) error { return clients.Rotate(c.ID, secret, now, expires) })
	if err != nil {
		return err
	}
	until := "is not accepted any more"
	if c.Grace > 0 {
		kept.PreviousExpires = &expires
		until = "is accepted until " + expires.Format(time.RFC3339)
	}
	return kept.print(std.out, c.Output, fmt.Sprintf("client %s in %s has another secret; the one before %s", c.ID, c.File.File, until))
}
