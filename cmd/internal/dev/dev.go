package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/feed"
	"leaderboard/cmd/internal/simulation"
	"leaderboard/consumer"
)

// Config is what [Run] needs.
type Config struct {
	// Listen, Admin and KafkaListen are host:port; port 0 takes a free one.
	Listen, Admin, KafkaListen string
	// Data is the directory that survives a restart; empty: nothing does.
	Data string
	// Catalog, Profiles and Activities are files; empty: built in, or none.
	Catalog, Profiles, Activities string
	Simulate                      bool
	// ClientsFile holds the callers; empty: demo with the secret demo.
	ClientsFile string
	// Page is whether the service has one.
	Page bool
	// Version is the program's.
	Version string
	Log     *slog.Logger
	// Out gets the banner.
	Out io.Writer
}

// layout is the only generation that dev has.
var layout = leaderboard.Layout{Generation: 1, Shards: 16}

// patience is how long the banner waits for the first entry on a board.
const patience = 15 * time.Second

// environment is what runs around the two services.
type environment struct {
	config  Config
	cluster consumer.Cluster
	topics  consumer.Topics
	store   *store
	redis   redis.UniversalClient
	catalog leaderboard.CatalogDocument
	caller  caller
	notes   []string
}

// Run runs the leaderboard until ctx ends.
func Run(ctx context.Context, config Config) error {
	err := run(ctx, config)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // asked to end while it was starting
	}
	return err
}

func run(ctx context.Context, config Config) (err error) {
	daemon.LimitMemory(config.Log)
	release, err := lock(config.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	broker, cluster, err := startBroker(config.KafkaListen, subdirectory(config.Data, "kafka"))
	if err != nil {
		return err
	}
	defer broker.Close()
	config.Log.Info("listening", "name", "kafka", "addr", cluster.Brokers[0])
	store, err := startStore(ctx, subdirectory(config.Data, "redis"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	e := &environment{config: config, cluster: cluster, topics: consumer.DefaultTopics(), store: store}
	servers := daemon.Redis{Addrs: []string{store.address}}
	if e.redis, err = servers.Client("leaderboard-dev", daemon.ForTransactions); err != nil {
		return err
	}
	defer func() { _ = e.redis.Close() }()
	if err := e.prepare(ctx); err != nil {
		return err
	}
	return e.serve(ctx)
}

// lock makes the data directories and keeps a second process out of them.
func lock(data string) (release func() error, err error) {
	if data == "" {
		return func() error { return nil }, nil
	}
	for _, name := range []string{"kafka", "redis"} {
		if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the directory that --data says: %w", err)
		}
	}
	held := flock.New(filepath.Join(data, "lock"))
	switch locked, err := held.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("cannot lock the directory that --data says: %w", err)
	case !locked:
		return nil, fmt.Errorf("the directory that --data says, %s, is in use by another process", data)
	}
	return held.Unlock, nil
}

func subdirectory(data, name string) string {
	if data == "" {
		return ""
	}
	return filepath.Join(data, name)
}

// prepare makes the topics and fills in the catalog and the profiles.
func (e *environment) prepare(ctx context.Context) error {
	if _, err := e.cluster.EnsureTopics(ctx, e.topics.Plan(4)); err != nil {
		return err
	}
	org, err := e.applyCatalog(ctx)
	if err != nil {
		return err
	}
	e.caller = caller{credentials: "demo:demo", org: org}
	if e.config.ClientsFile != "" {
		e.caller.credentials = "ID:SECRET"
		e.notes = append(e.notes, "put an id of "+e.config.ClientsFile+" and its secret in the place of ID:SECRET")
	}
	return e.publishProfiles(ctx)
}

// applyCatalog brings in the file, what the log has already, or the built-in
// catalog, in this order, and gives the organisation to call as.
func (e *environment) applyCatalog(ctx context.Context) (leaderboard.OrgID, error) {
	present, err := feed.ReadCatalog(ctx, e.cluster, e.topics.Catalog)
	if err != nil {
		return 0, err
	}
	wanted := feed.CatalogFile{CatalogDocument: present}
	switch {
	case e.config.Catalog != "":
		if wanted, err = feed.ReadCatalogFile(e.config.Catalog); err != nil {
			return 0, err
		}
	case len(present.Orgs) == 0:
		if wanted.CatalogDocument, err = simulation.Catalog(time.Now(), simulation.DefaultBoards); err != nil {
			return 0, err
		}
	}
	if len(wanted.Orgs) == 0 {
		return 0, fmt.Errorf("the catalog file %s has no organisation", e.config.Catalog)
	}
	if _, err := feed.ApplyCatalog(ctx, e.cluster, e.topics.Catalog, wanted); err != nil {
		return 0, fmt.Errorf("the catalog is not valid:\n%w", err)
	}
	e.catalog, err = feed.ReadCatalog(ctx, e.cluster, e.topics.Catalog)
	if e.config.Catalog == "" && len(e.catalog.TargetGroups) > 0 {
		return e.catalog.TargetGroups[0].OrgID, err
	}
	return wanted.Orgs[0].OrgID, err
}
