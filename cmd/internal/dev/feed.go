package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/feed"
	"leaderboard/cmd/internal/simulation"
)

// simulatedStart is how many activities are simulated at once at the beginning, so
// that the first page is full.
const simulatedStart = 2000

// feed publishes the activities, shows the banner when all is ready, and goes on
// simulating.
func (e *environment) feed(ctx context.Context, api, admin net.Listener, services ...daemon.Service) error {
	simulated, err := e.publishActivities(ctx)
	if err != nil {
		return err
	}
	if err := awaitReady(ctx, services); err != nil {
		return err
	}
	shown, err := e.awaitExample(ctx)
	if err != nil {
		return err
	}
	_, _ = io.WriteString(e.config.Out, banner(place{
		api:    api.Addr().String(),
		admin:  admin.Addr().String(),
		broker: strings.Join(e.cluster.Brokers, ","),
		store:  e.store.description,
		page:   e.config.Page,
		notes:  e.notes,
	}, e.caller, shown))
	if simulated == nil {
		return nil
	}
	writer := e.cluster.Writer(e.topics.Activities)
	return errors.Join(simulated.Run(ctx, writer, simulation.DefaultRate, 0, nil), writer.Close())
}

// publishActivities publishes the file or the first simulated activities, unless
// the log has activities already. The simulation is nil when there is none.
func (e *environment) publishActivities(ctx context.Context) (*simulation.Simulation, error) {
	empty, err := feed.IsEmpty(ctx, e.cluster, e.topics.Activities)
	if err != nil {
		return nil, err
	}
	if err := e.publishActivitiesFile(ctx, empty); err != nil {
		return nil, err
	}
	if !e.config.Simulate {
		return nil, nil
	}
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // made-up activities
	s := simulation.New(simulation.Config{
		Catalog: e.catalog, Org: e.caller.org, Users: simulation.DefaultUsers, Skew: simulation.DefaultSkew,
	}, time.Now(), random)
	if s == nil {
		e.notes = append(e.notes, "no target of the organisation has a running period, so nothing is simulated")
		return nil, nil
	}
	if !empty {
		return s, nil
	}
	writer := e.cluster.Writer(e.topics.Activities)
	_, err = s.Publish(ctx, writer, simulatedStart)
	return s, errors.Join(err, writer.Close())
}

func (e *environment) publishProfiles(ctx context.Context) error {
	if e.config.Profiles != "" {
		return e.publishFile(ctx, e.config.Profiles, e.topics.Profiles, feed.Lines{Key: feed.ProfileKey})
	}
	empty, err := feed.IsEmpty(ctx, e.cluster, e.topics.Profiles)
	if err != nil || !empty || !e.config.Simulate {
		return err
	}
	lines, err := simulation.Profiles(e.caller.org, simulation.DefaultUsers)
	if err != nil {
		return err
	}
	return e.publish(ctx, strings.NewReader(lines), e.topics.Profiles, feed.Lines{Key: feed.ProfileKey})
}

func (e *environment) publishFile(ctx context.Context, path, topic string, lines feed.Lines) error {
	file, err := feed.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := e.publish(ctx, file, topic, lines); err != nil {
		return fmt.Errorf("publish %s: %w", path, err)
	}
	return nil
}

func (e *environment) publish(ctx context.Context, text io.Reader, topic string, lines feed.Lines) error {
	lines.Writer = e.cluster.Writer(topic)
	_, err := lines.Publish(ctx, text)
	return errors.Join(err, lines.Writer.Close())
}

// awaitExample waits a while for somebody to stand on a board, if anybody will.
func (e *environment) awaitExample(ctx context.Context) (*example, error) {
	candidates := examples(e.catalog, e.caller.org, time.Now())
	empty, err := feed.IsEmpty(ctx, e.cluster, e.topics.Activities)
	if err != nil || len(candidates) == 0 {
		return nil, err
	}
	var found example
	deadline := time.Now().Add(patience)
	err = poll(ctx, func() (bool, error) {
		found, err = pickExample(ctx, e.redis, layout, candidates)
		return found.user != 0 || empty || time.Now().After(deadline), err
	})
	return &found, err
}
