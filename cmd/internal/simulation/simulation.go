package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/time/rate"

	"leaderboard"
	"leaderboard/cmd/internal/feed"
)

// DefaultRate is how many activities a second are made up where nobody says.
const DefaultRate = 50

// DefaultSkew lets a few users do much and many do little.
const DefaultSkew = 1.1

// Config says who does something, and where.
type Config struct {
	Catalog leaderboard.CatalogDocument
	// Org is the organisation whose boards are used; 0: those of all.
	Org leaderboard.OrgID
	// Boards is how many of them are used at most; 0: all.
	Boards int
	Users  int
	// Skew is the exponent of Zipf's law, above 1: the larger it is, the more is done
	// by the first users. 0: all do the same.
	Skew float64
}

// Simulation makes activities up.
type Simulation struct {
	targets []target
	random  *rand.Rand
	// user is the number of one of the users, from 0 on.
	user func() uint64
}

// target is where an activity can go.
type target struct {
	org   leaderboard.OrgID
	group leaderboard.TargetGroupID
	rule  leaderboard.TargetRuleID
}

// New is nil when no target has a running period.
func New(c Config, now time.Time, random *rand.Rand) *Simulation {
	s := &Simulation{targets: running(c, leaderboard.MillisOf(now)), random: random}
	if len(s.targets) == 0 {
		return nil
	}
	s.user = func() uint64 { return random.Uint64N(uint64(c.Users)) }
	if c.Skew > 0 {
		s.user = rand.NewZipf(random, c.Skew, 10, uint64(c.Users-1)).Uint64
	}
	return s
}

func running(c Config, now leaderboard.Millis) []target {
	var targets []target
	for _, g := range c.Catalog.TargetGroups {
		if (c.Org != 0 && g.OrgID != c.Org) || !g.Active || !g.LeaderboardEnabled || g.PeriodAt(now) == nil {
			continue
		}
		for _, t := range g.Targets {
			targets = append(targets, target{g.OrgID, g.TargetGroupID, t.TargetRuleID})
		}
	}
	if c.Boards > 0 && len(targets) > c.Boards {
		targets = targets[:c.Boards]
	}
	return targets
}

// Boards is how many boards get activities.
func (s *Simulation) Boards() int { return len(s.targets) }

// activity is as a producer writes it.
type activity struct {
	Type    leaderboard.ActivityType  `json:"type"`
	OrgID   leaderboard.OrgID         `json:"orgId"`
	UserID  leaderboard.UserID        `json:"userId"`
	GroupID leaderboard.TargetGroupID `json:"targetGroupId"`
	RuleID  leaderboard.TargetRuleID  `json:"targetRuleId"`
	Value   leaderboard.Value         `json:"value"`
	Time    time.Time                 `json:"activityTime"`
}

// next is n activities of now, as JSON lines.
func (s *Simulation) next(n int, now time.Time) (string, error) {
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for range n {
		t := s.targets[s.random.IntN(len(s.targets))]
		err := encoder.Encode(activity{
			Type:    leaderboard.TypeActivity,
			OrgID:   t.org,
			UserID:  FirstUser + leaderboard.UserID(s.user()),
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

// Publish sends n activities of now and returns how many were acknowledged.
func (s *Simulation) Publish(ctx context.Context, writer *kafka.Writer, n int) (int, error) {
	lines, err := s.next(n, time.Now())
	if err != nil {
		return 0, err
	}
	published, err := feed.Lines{Writer: writer, Key: feed.ActivityKey}.Publish(ctx, strings.NewReader(lines))
	if err != nil {
		return published, fmt.Errorf("publish simulated activities: %w", err)
	}
	return published, nil
}

// sendsPerSecond is how often activities are sent at a rate that is higher.
const sendsPerSecond = 10

// Run sends a steady stream of perSecond activities until ctx ends or limit of them
// are sent; with 0 there is no limit. What is being sent when ctx ends is sent to its
// end. Sent, unless nil, is told of each acknowledgement how many it was for.
func (s *Simulation) Run(ctx context.Context, writer *kafka.Writer, perSecond float64, limit int, sent func(n int)) error {
	size := max(1, int(perSecond/sendsPerSecond))
	pace := rate.NewLimiter(rate.Limit(perSecond), size)
	for total := 0; limit == 0 || total < limit; {
		n := size
		if limit > 0 {
			n = min(n, limit-total)
		}
		if !inTurn(ctx, pace, n) {
			return nil
		}
		published, err := s.Publish(context.WithoutCancel(ctx), writer, n)
		total += published
		if sent != nil {
			sent(published)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inTurn waits until n more may be sent; false is the end of ctx.
func inTurn(ctx context.Context, pace *rate.Limiter, n int) bool { return pace.WaitN(ctx, n) == nil }
