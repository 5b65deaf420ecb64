package main

import (
	"context"
	"errors"
	"net"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/dev"
)

type devCommand struct {
	Listen      string     `env:"LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the API is (${default})."`
	Admin       string     `env:"ADMIN_LISTEN" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where /metrics, /healthz and /readyz are (${default})."`
	KafkaListen string     `env:"KAFKA_LISTEN" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where the embedded broker is, for any Kafka client; port 0 takes a free one (${default})."`
	Data        string     `env:"DATA_DIR" placeholder:"DIR" help:"Keep everything here, to come back with it after a restart."`
	Catalog     string     `env:"CATALOG_FILE" placeholder:"FILE" help:"Catalog (YAML); a small built-in one without it."`
	Profiles    string     `env:"PROFILES_FILE" placeholder:"FILE.jsonl" help:"Profiles to publish."`
	Activities  string     `env:"ACTIVITIES_FILE" placeholder:"FILE.jsonl" help:"Activities to publish, unless --data has some already; .jsonl.gz too. When a start with --data was cut off before it had published all of the file, the next one publishes the rest."`
	Simulate    *bool      `env:"SIMULATE" placeholder:"BOOL" help:"Publish made-up activities all the time; so without --activities, off with --simulate=false."`
	ClientsFile string     `env:"CLIENTS_FILE" placeholder:"FILE" help:"Clients that may call; without it demo with the secret demo, of the catalog's first organisation."`
	Page        bool       `env:"PAGE" default:"true" placeholder:"BOOL" help:"Serve the page at / on which people see a board live; it signs in as demo by itself. Off with --page=false."`
	Log         daemon.Log `embed:"" set:"log_level=warn"`
}

// Check names every wrong setting.
func (c *devCommand) Check() error {
	mistakes := []error{
		c.Log.Check(),
		daemon.CheckAddress("listen", c.Listen),
		daemon.CheckAddress("admin", c.Admin),
		daemon.CheckAddress("kafka-listen", c.KafkaListen),
		checkFile("catalog", c.Catalog),
		checkFile("profiles", c.Profiles),
		checkFile("activities", c.Activities),
	}
	if c.ClientsFile != "" {
		mistakes = append(mistakes, daemon.CheckClientsFile(c.ClientsFile))
	}
	// The broker tells its clients this very address to come back to.
	if host, _, err := net.SplitHostPort(c.KafkaListen); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		mistakes = append(mistakes, daemon.Mistakenf("kafka-listen", "%q does not say on which address, such as 127.0.0.1:9092", c.KafkaListen))
	}
	return errors.Join(mistakes...)
}

func (c *devCommand) execute(ctx context.Context, std streams) error {
	simulate := c.Activities == ""
	if c.Simulate != nil {
		simulate = *c.Simulate
	}
	return dev.Run(ctx, dev.Config{
		Listen:      c.Listen,
		Admin:       c.Admin,
		KafkaListen: c.KafkaListen,
		Data:        c.Data,
		Catalog:     c.Catalog,
		Profiles:    c.Profiles,
		Activities:  c.Activities,
		Simulate:    simulate,
		ClientsFile: c.ClientsFile,
		Page:        c.Page,
		Version:     daemon.Version(version),
		Log:         c.Log.Logger(std.err),
		Out:         std.out,
	})
}
