package test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leaderboard"
	"leaderboard/query"
)

// counterOf is the value of a counter with exactly these labels, 0 when there is none.
func counterOf(t *testing.T, reg prometheus.Gatherer, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			matches := len(m.GetLabel()) == len(labels)
			for _, l := range m.GetLabel() {
				matches = matches && labels[l.GetName()] == l.GetValue()
			}
			if matches {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

const textUnavailable = "The leaderboards are not available at the moment, please try again shortly"

func expectUnavailable(s *queryService) {
	s.t.Helper()
	for _, req := range []queryRequest{{path: topPath + "232?targetId=366"}, {path: rankPath + "1"}} {
		res := s.ask(req)
		expectError(s.t, req, res, 503, 503, textUnavailable)
		if got := res.header.Get("Retry-After"); got != "1" {
			s.t.Errorf("Retry-After is %q", got)
		}
	}
}

// expectReason waits until Ready names the missing part.
func expectReason(s *queryService, part string) {
	s.t.Helper()
	s.await("the reason names "+part, func() bool {
		err := s.server.Ready()
		return err != nil && strings.Contains(err.Error(), part)
	})
}

func TestQueryIsUnavailableUntilRedisHoldsWhatItNeeds(t *testing.T) {
	s := newQueryService(t)
	if s.server.Ready() == nil {
		t.Error("ready before it runs")
	}
	expectUnavailable(s)
	stranger, denied := queryRequest{path: rankPath + "1", client: "-"}, queryRequest{path: rankPath + "1", client: "toponly"}
	expectError(t, stranger, s.ask(stranger), 401, 401, textAuthentication)
	expectError(t, denied, s.ask(denied), 403, 4000, textAccess)
	s.run()
	expectReason(s, leaderboard.MetaKey)
	expectUnavailable(s)
	s.meta()
	expectReason(s, leaderboard.CatalogKey)
	expectUnavailable(s)
	s.catalog(queryCatalog)
	s.await("ready", func() bool { return s.server.Ready() == nil })
	if res := s.ask(queryRequest{path: rankPath + "1"}); res.status != http.StatusOK {
		t.Errorf("%d %s", res.status, res.body)
	}
}

func TestQuerySurvivesTheAbsenceOfRedis(t *testing.T) {
	s := startQueryService(t)
	s.process.Stop()
	expectUnavailable(s)
	expectReason(s, "cannot be read")
	bad := queryRequest{path: rankPath + "x"}
	expectError(t, bad, s.ask(bad), 400, 310011, textUser)

	s.process.Start() // it comes back empty
	expectReason(s, leaderboard.MetaKey)
	expectUnavailable(s)
	s.meta()
	s.catalog(queryCatalog)
	s.await("ready again", func() bool { return s.server.Ready() == nil })
	seedDocumentedBoard(s)
	answer := expectAnswer[rankAnswer](s, queryRequest{path: rankPath + "381329847", body: `{"targetGroupId":232,"targetRuleId":366,"periodId":243}`})
	if len(answer.Data.UserRanks) != 1 || answer.Data.UserRanks[0].Rank != 1771 {
		t.Errorf("after Redis came back: %+v", answer.Data.UserRanks)
	}
}

func TestQueryGivesUpOnARedisThatDoesNotAnswer(t *testing.T) {
	s := startQueryService(t, func(cfg *query.Config) { cfg.RequestTimeout = 500 * time.Millisecond })
	s.ask(queryRequest{path: rankPath + "1"}) // the secret is checked while time is plenty
	s.process.Pause()
	defer s.process.Resume()
	expectUnavailable(s)
}

func TestQueryCountsWhatItCannotReadAsADefect(t *testing.T) {
	s := startQueryService(t)
	b := leaderboard.Board{Org: 50711, Group: 232, Rule: 366, Period: 244}
	s.must(s.redis.Set(context.Background(), seedLayout.RankKey(b), "no sorted set", 0).Err())
	s.must(s.redis.HSet(context.Background(), seedLayout.UsersKey(b), leaderboard.UserField(1), leaderboard.MemberTime(0)).Err())
	for _, req := range []queryRequest{{path: topPath + "232?targetId=366"}, {path: rankPath + "1", body: `{"targetGroupId":232,"targetRuleId":366}`}} {
		expectError(t, req, s.ask(req), 500, 500, "Internal error")
	}
	if got := counterOf(t, s.metrics, "leaderboard_query_redis_errors_total", nil); got != 2 {
		t.Errorf("%v errors of Redis counted, want 2", got)
	}
}

func TestQuerySeesChangesOfTheCatalogAndTheGeneration(t *testing.T) {
	s := startQueryService(t)
	req := queryRequest{path: topPath + "232?targetId=366&periodId=243"}
	seedDocumentedBoard(s)
	name := func() string { return expectAnswer[topAnswer](s, req).Data.TargetRuleName }
	if name() != "target1" {
		t.Fatalf("the rule is %q", name())
	}
	s.catalog(map[string]string{
		"group:50711:232": groupJSON(50711, 232, "Target", "", `{"targetRuleId":366,"name":"renamed"}`),
		"group:50711:238": `{"targetGroupId":238}`,
	})
	s.await("the new name", func() bool { return name() == "renamed" })

	ctx := context.Background()
	s.must(s.redis.HSet(ctx, leaderboard.MetaKey, leaderboard.MetaShards(2), 1, leaderboard.MetaRead, 2).Err())
	s.await("the empty generation 2", func() bool { return expectAnswer[topAnswer](s, req).Pagination.Total == 0 })
	s.must(s.redis.HSet(ctx, leaderboard.MetaKey, leaderboard.MetaRead, 1).Err())
	s.await("generation 1", func() bool { return expectAnswer[topAnswer](s, req).Pagination.Total == 4527 })
}

func TestQueryKeepsGoingWhenTheScriptIsForgotten(t *testing.T) {
	s := startQueryService(t)
	seedDocumentedBoard(s)
	for range 2 {
		answer := expectAnswer[rankAnswer](s, queryRequest{path: rankPath + "381329847", body: `{"targetGroupId":232,"targetRuleId":366,"periodId":243}`})
		if len(answer.Data.UserRanks) != 1 || answer.Data.UserEnrichmentDetails["mobile"] != "919988221100" {
			t.Errorf("%+v", answer.Data)
		}
		s.must(s.redis.ScriptFlush(context.Background()).Err())
	}
}
