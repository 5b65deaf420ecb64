package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"leaderboard"
	"leaderboard/cmd/internal/feed"
	"leaderboard/consumer"
)

const (
	// simulatedRate is how many activities a second are simulated.
	simulatedRate = 50
	// simulatedStart is how many there are at once at the beginning, so that the
	// first page is full.
	simulatedStart = 2000
)

// simulation makes activities up: a few users buy much, many buy little.
type simulation struct {
	org     leaderboard.OrgID
	targets []target
	random  *rand.Rand
	users   *rand.Zipf
}

// target is where an activity can go.
type target struct {
	group leaderboard.TargetGroupID
	rule  leaderboard.TargetRuleID
}

// newSimulation is nil when no target of the organisation has a running period.
func newSimulation(catalog leaderboard.CatalogDocument, org leaderboard.OrgID, now time.Time, random *rand.Rand) *simulation {
	s := &simulation{org: org, random: random, users: rand.NewZipf(random, 1.1, 10, userCount-1)}
	for _, g := range catalog.TargetGroups {
		if g.OrgID != org || !g.Active || !g.LeaderboardEnabled || g.PeriodAt(leaderboard.MillisOf(now)) == nil {
			continue
		}
		for _, t := range g.Targets {
			s.targets = append(s.targets, target{g.TargetGroupID, t.TargetRuleID})
		}
	}
	if len(s.targets) == 0 {
		return nil
	}
	return s
}

// simulated is an activity as a producer writes it.
type simulated struct {
	Type    leaderboard.ActivityType  `json:"type"`
	OrgID   leaderboard.OrgID         `json:"orgId"`
	UserID  leaderboard.UserID        `json:"userId"`
	GroupID leaderboard.TargetGroupID `json:"targetGroupId"`
	RuleID  leaderboard.TargetRuleID  `json:"targetRuleId"`
	Value   leaderboard.Value         `json:"value"`
	Time    time.Time                 `json:"activityTime"`
}

// next is n activities of now, as JSON lines.
func (s *simulation) next(n int, now time.Time) (string, error) {
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for range n {
		t := s.targets[s.random.IntN(len(s.targets))]
		err := encoder.Encode(simulated{
			Type:    leaderboard.TypeActivity,
			OrgID:   s.org,
			UserID:  firstUser + leaderboard.UserID(s.users.Uint64()),
			GroupID: t.group,
			RuleID:  t.rule,
			Value:   leaderboard.Value(1+s.random.IntN(50_000)) * 10,
			Time:    now.UTC(),
		})
		if err != nil {
			return "", err
		}
	}
	return lines.String(), nil
}

// publish sends n activities of now.
func (s *simulation) publish(ctx context.Context, to feed.Lines, n int) error {
	lines, err := s.next(n, time.Now())
	if err != nil {
		return err
	}
	_, err = to.Publish(ctx, strings.NewReader(lines))
	return err
}

// run sends a steady stream of activities until ctx ends.
func (s *simulation) run(ctx context.Context, cluster consumer.Cluster, topic string) (err error) {
	writer := cluster.Writer(topic)
	defer func() { err = errors.Join(err, writer.Close()) }()
	to := feed.Lines{Writer: writer, Key: feed.ActivityKey}
	const interval = 100 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.publish(ctx, to, simulatedRate*int(interval)/int(time.Second))
		if ctx.Err() == nil && err != nil {
			return fmt.Errorf("publish simulated activities: %w", err)
		}
	}
}
