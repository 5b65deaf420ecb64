package dev

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// example is a board to show, and a user who stands on it; 0 while nobody does.
type example struct {
	board   leaderboard.Board
	user    leaderboard.UserID
	running bool
}

// examples are the boards of the catalog in the order in which they are worth
// showing: of the organisation and running ones first.
func examples(catalog leaderboard.CatalogDocument, org leaderboard.OrgID, now time.Time) []example {
	var candidates []example
	for _, g := range catalog.TargetGroups {
		if !g.Active || !g.LeaderboardEnabled {
			continue
		}
		running := g.PeriodAt(leaderboard.MillisOf(now))
		for _, t := range g.Targets {
			for _, p := range g.Periods {
				candidates = append(candidates, example{
					board:   leaderboard.Board{Org: g.OrgID, Group: g.TargetGroupID, Rule: t.TargetRuleID, Period: p.PeriodID},
					running: running != nil && running.PeriodID == p.PeriodID,
				})
			}
		}
	}
	worth := func(e example) int {
		score := 0
		if e.board.Org != org {
			score++
		}
		if !e.running {
			score += 2
		}
		return score
	}
	slices.SortStableFunc(candidates, func(a, b example) int { return worth(a) - worth(b) })
	return candidates
}

// pickExample finds the first of the boards that has somebody on it.
func pickExample(ctx context.Context, store redis.UniversalClient, layout leaderboard.Layout, candidates []example) (example, error) {
	firsts := make([]*redis.StringSliceCmd, len(candidates))
	_, err := store.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, e := range candidates {
			firsts[i] = p.ZRevRange(ctx, layout.RankKey(e.board), 0, 0)
		}
		return nil
	})
	if err != nil {
		return example{}, fmt.Errorf("look for a board to show: %w", err)
	}
	for i, e := range candidates {
		if members := firsts[i].Val(); len(members) > 0 {
			_, e.user, err = leaderboard.ParseMember(members[0])
			return e, err
		}
	}
	return candidates[0], nil
}

// caller is who the curl lines call as.
type caller struct {
	credentials string
	org         leaderboard.OrgID
}

// curlTop is a command line that prints the first five of the board.
func (c caller) curlTop(address string, e example) string {
	url := fmt.Sprintf("http://%s/v3.1/leaderboards/targetGroups/%d?targetId=%d&pageSize=5", address, e.board.Group, e.board.Rule)
	if !e.running {
		url += fmt.Sprintf("&periodId=%d", e.board.Period)
	}
	return fmt.Sprintf("curl -s -w '\\n' -u %s%s '%s'", c.credentials, c.scope(e), url)
}

// curlRank is a command line that prints the user's rank on the board.
func (c caller) curlRank(address string, e example) string {
	item := fmt.Sprintf(`"targetGroupId":%d,"targetRuleId":%d`, e.board.Group, e.board.Rule)
	if e.board.Org != c.org {
		item = fmt.Sprintf(`"orgId":%d,`, e.board.Org) + item
	}
	if !e.running {
		item += fmt.Sprintf(`,"periodId":%d`, e.board.Period)
	}
	return fmt.Sprintf("curl -s -w '\\n' -u %s%s -X GET -H 'Content-Type: application/json' -d '[{%s}]' 'http://%s/v3.1/leaderboards/user/%d'",
		c.credentials, c.scope(e), item, address, max(1, e.user))
}

// scope is the headers that let a parent see the board of its child.
func (c caller) scope(e example) string {
	if e.board.Org == c.org {
		return ""
	}
	return fmt.Sprintf(" -H 'DATA-SCOPE: OTHER' -H 'DATA-SCOPE-ORG: %d'", e.board.Org)
}

// place is what the banner says beside the examples.
type place struct {
	api, admin, broker, store string
	page                      bool
	notes                     []string
}

func banner(p place, c caller, e *example) string {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("")
	line("The leaderboard is ready.")
	line("")
	line("  service    http://%s", p.api)
	if p.page {
		line("  page       http://%s/", p.api)
	}
	line("  admin      http://%s/metrics  /readyz  /healthz", p.admin)
	line("  broker     %s (Kafka, embedded)", p.broker)
	line("  store      %s", p.store)
	for _, note := range p.notes {
		line("  note       %s", note)
	}
	if e != nil {
		line("")
		line("The first five of a board, and one user's rank on it:")
		line("")
		line("  %s", c.curlTop(p.api, *e))
		line("")
		line("  %s", c.curlRank(p.api, *e))
	}
	line("")
	line("Publish your own with: leaderboard publish --kafka-brokers %s -f FILE.jsonl", p.broker)
	line("Ctrl-C ends it.")
	line("")
	return b.String()
}
