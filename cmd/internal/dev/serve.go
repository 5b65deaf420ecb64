package dev

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/query"
	"leaderboard/query/auth"
	"leaderboard/query/page"
)

// serve runs the services and, beside them, what feeds them.
func (e *environment) serve(ctx context.Context) error {
	c := e.config
	api, err := daemon.Listen("api", "--listen (LISTEN)", c.Listen, c.Log)
	if err != nil {
		return err
	}
	admin, err := daemon.Listen("admin", "--admin (ADMIN_LISTEN)", c.Admin, c.Log)
	if err != nil {
		return err
	}
	registry := daemon.NewRegistry(c.Version)
	daemon.MeasureRedis(e.redis, registry)
	projector, err := daemon.NewProjector(daemon.ProjectorConfig{
		DedupeWindow: daemon.DefaultDedupeWindow,
		Cluster:      e.cluster,
		Topics:       e.topics,
		Group:        "leaderboard-dev",
		Redis:        e.redis,
		Generation:   layout.Generation,
		Shards:       layout.Shards,
		Log:          c.Log,
		Registerer:   registry,
	})
	if err != nil {
		return err
	}
	clients, err := e.clients()
	if err != nil {
		return err
	}
	keys, err := e.tokenKeys()
	if err != nil {
		return err
	}
	shown, err := e.page()
	if err != nil {
		return err
	}
	service, err := daemon.NewQuery(query.Config{
		Redis:       e.redis,
		ClientsFile: c.ClientsFile,
		Clients:     clients,
		TokenKeys:   keys,
		Page:        shown,
		Log:         c.Log,
		Registerer:  registry,
	}, api, nil)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return daemon.Serve(ctx, admin, registry, c.Log, projector, follower{service, projector})
	})
	group.Go(func() error { return e.store.watch(ctx) })
	group.Go(func() error { return e.feed(ctx, api, admin, projector, service) })
	return group.Wait()
}

// demo is the client that is built in, and its secret.
const demo = "demo"

// clients is the one that is built in, or nil when a file has others.
func (e *environment) clients() (*auth.Clients, error) {
	if e.config.ClientsFile != "" {
		return nil, nil
	}
	clients := new(auth.Clients)
	err := clients.Add(demo, e.caller.org, demo)
	return clients, err
}

// page signs in by itself as the client that is built in, whose secret everybody
// knows; it is nil when there is to be none.
func (e *environment) page() (http.Handler, error) {
	switch {
	case !e.config.Page:
		return nil, nil
	case e.config.ClientsFile != "":
		return page.New(page.SignIn{})
	}
	return page.New(page.SignIn{ID: demo, Secret: demo})
}

// tokenKeys come back with the data.
func (e *environment) tokenKeys() (*auth.TokenKeys, error) {
	if e.config.Data == "" {
		return auth.NewTokenKeys()
	}
	path := filepath.Join(e.config.Data, "token-key.pem")
	keys, err := auth.LoadTokenKeys(path)
	if !errors.Is(err, os.ErrNotExist) {
		return keys, err
	}
	if keys, err = auth.NewTokenKeys(); err != nil {
		return nil, err
	}
	err = keys.Save(path)
	return keys, err
}

// follower is a service that starts when another is ready, and so has nothing
// missing to report.
type follower struct {
	daemon.Service
	first daemon.Service
}

func (f follower) Run(ctx context.Context) error {
	if err := awaitReady(ctx, []daemon.Service{f.first}); err != nil {
		return err
	}
	return f.Service.Run(ctx)
}

func awaitReady(ctx context.Context, services []daemon.Service) error {
	return poll(ctx, func() (bool, error) {
		missing := slices.ContainsFunc(services, func(s daemon.Service) bool { return s.Ready(ctx) != nil })
		return !missing, nil
	})
}

// poll asks again and again until the answer is yes.
func poll(ctx context.Context, done func() (bool, error)) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if yes, err := done(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}
