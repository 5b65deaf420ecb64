package query

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
)

// tripCounter counts how often a client waits for Redis.
type tripCounter struct {
	passingHook
	trips atomic.Int32
}

func (c *tripCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmd)
	}
}

func (c *tripCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips.Add(1)
		return next(ctx, cmds)
	}
}

func TestAnswersTakeOneRoundTrip(t *testing.T) {
	counter := new(tripCounter)
	handler := smallService(t, func(cfg *Config) { cfg.Redis.(*redis.Client).AddHook(counter) })
	ask := func(method, target, body string) (trips int32, answer string) {
		before := counter.trips.Load()
		w := answerToBody(t, handler, method, target, strings.NewReader(body), "Content-Type", "application/json")
		if w.Code != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		return counter.trips.Load() - before, w.Body.String()
	}
	const group, user = "/v3.1/leaderboards/targetGroups/2", "/v3.1/leaderboards/user/7"
	for _, c := range []struct {
		method, target, body string
		trips                int32
		profiles             int
	}{
		{http.MethodGet, group + "?targetId=3", "", 1, 10},
		{http.MethodGet, group + "?targetId=3&pageSize=30&pageOffset=2", "", 1, 30},
		{http.MethodGet, group + "?targetId=3&pageSize=10&pageLimit=100", "", 1, 100},
		{http.MethodGet, group + "?targetId=3&pageOffset=1000", "", 1, 0},
		{http.MethodGet, group + "/user/7?targetId=3&before=100&after=3", "", 1, 97},
		{http.MethodGet, group + "/user/700?targetId=3", "", 1, 0},
		{http.MethodGet, user, "", 1, 1},
		{http.MethodPost, user, `[{"orgId":1,"targetGroupId":2,"targetRuleId":3,"periodId":4}]`, 1, 1},
		{http.MethodGet, "/v3.1/leaderboards/targetGroups", "", 0, 0},
		// So large a script would hold up others.
		{http.MethodGet, group + "?targetId=3&pageSize=100&pageLimit=11", "", 2, 100},
	} {
		// A Redis that has not seen the script yet is asked twice.
		ask(c.method, c.target, c.body)
		trips, answer := ask(c.method, c.target, c.body)
		if profiles := strings.Count(answer, "user@example.com"); trips != c.trips || profiles != c.profiles {
			t.Errorf("%s %s takes %d round trips to tell %d profiles, want %d and %d", c.method, c.target, trips, profiles, c.trips, c.profiles)
		}
	}
}
