package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"

	"leaderboard"
	"leaderboard/query"
	"leaderboard/query/auth"
	"leaderboard/test/servers"
)

// queryNow is the instant that the query services of these tests live in.
var queryNow = time.Date(2024, time.June, 24, 12, 10, 0, 0, time.UTC)

const (
	topPath  = "/v3.1/leaderboards/targetGroups/"
	rankPath = "/v3.1/leaderboards/user/"
	prefix   = "/api_gateway/intouch-api-v3"
)

// seedLayout has few shards, so that boards share them.
var seedLayout = leaderboard.Layout{Generation: 1, Shards: 4}

// queryService is a query service of this process on a Redis of its own.
type queryService struct {
	*seeder
	process *servers.Process
	server  *query.Server
	metrics *prometheus.Registry
	url     string
}

// newQueryService makes the service on an empty Redis; run starts it.
func newQueryService(t *testing.T, adjust ...func(*query.Config)) *queryService {
	t.Helper()
	return newQueryServiceOn(t, nil, func(cfg *query.Config, _ string) {
		for _, f := range adjust {
			f(cfg)
		}
	})
}

// newQueryServiceOn is newQueryService on a Redis with these arguments.
func newQueryServiceOn(t *testing.T, redisArgs []string, adjust func(cfg *query.Config, redisAddr string)) *queryService {
	t.Helper()
	process := servers.RedisServer(t, redisArgs...)
	// Deadlines come from the service alone.
	client := redis.NewClient(&redis.Options{Addr: process.Addr(), ContextTimeoutEnabled: true, ReadTimeout: -1, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	metrics := prometheus.NewPedanticRegistry()
	cfg := query.Config{
		Redis:           client,
		ClientsFile:     clientsFile(t),
		Now:             func() time.Time { return queryNow },
		RefreshInterval: 10 * time.Millisecond,
		Registerer:      metrics,
	}
	adjust(&cfg, process.Addr())
	server, err := query.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(web.Close)
	return &queryService{
		seeder:  &seeder{t: t, redis: client},
		process: process,
		server:  server,
		metrics: metrics,
		url:     web.URL,
	}
}

// run keeps the service going until the test ends.
func (s *queryService) run() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.server.Run(ctx); err != nil {
			s.t.Errorf("Run ended with %v", err)
		}
	})
	s.t.Cleanup(func() { cancel(); done.Wait() })
}

// startQueryService runs a service on Redis with the catalog of these tests.
func startQueryService(t *testing.T, adjust ...func(*query.Config)) *queryService {
	t.Helper()
	s := newQueryService(t, adjust...)
	s.meta()
	s.catalog(queryCatalog)
	s.run()
	s.await("the service is ready", func() bool { return s.server.Ready() == nil })
	return s
}

// await returns as soon as the condition holds.
func (s *queryService) await(what string, holds func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("not within a minute: %s; Ready says %v", what, s.server.Ready())
		}
	}
}

// queryRequest is a request of a test; zero fields stand for GET by client acme.
type queryRequest struct {
	method  string
	path    string
	client  string
	headers map[string]string
	body    string
}

type queryResponse struct {
	status int
	header http.Header
	body   string
}

// ask sends the request; a client "-" sends no credentials, another has its id
// as its secret.
func (s *queryService) ask(req queryRequest) queryResponse {
	s.t.Helper()
	if req.method == "" {
		req.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(s.t.Context(), req.method, s.url+req.path, strings.NewReader(req.body))
	if err != nil {
		s.t.Fatal(err)
	}
	switch req.client {
	case "-":
	case "":
		r.SetBasicAuth("acme", "acme")
	default:
		r.SetBasicAuth(req.client, req.client)
	}
	for name, value := range req.headers {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return queryResponse{res.StatusCode, res.Header, string(body)}
}

// expectAnswer asks for 200 and reads the answer into a value of type T.
func expectAnswer[T any](s *queryService, req queryRequest) T {
	s.t.Helper()
	res := s.ask(req)
	if res.status != http.StatusOK {
		s.t.Fatalf("%s %s: status %d: %s", req.method, req.path, res.status, res.body)
	}
	var answer T
	dec := json.NewDecoder(strings.NewReader(res.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&answer); err != nil {
		s.t.Fatalf("%s: %v in %s", req.path, err, res.body)
	}
	return answer
}

// topAnswer and rankAnswer are the answers as a client reads them. Numbers stay
// as they were written.
type topAnswer struct {
	Pagination struct{ Limit, Offset, Total int64 }
	Data       struct {
		LastSyncTime, LastSyncTimeISO *string
		TargetGroupID                 int64 `json:"targetGroupId"`
		TargetGroupName               string
		PeriodID                      int64 `json:"periodId"`
		PeriodRefCode                 string
		TargetRuleID                  int64 `json:"targetRuleId"`
		TargetRuleName                string
		Rankings                      []topRanking
	}
	Errors   []any
	Warnings []struct{ Message string }
}

type topRanking struct {
	Rank                                  int64
	UserID                                int64 `json:"userId"`
	AchievedValue                         json.Number
	LastActivityTime, LastActivityTimeISO string
	UserEnrichmentDetails                 map[string]string
}

type rankAnswer struct {
	Data struct {
		LastSyncTime, LastSyncTimeISO *string
		CustomerID                    int64 `json:"customerId"`
		UserEnrichmentDetails         map[string]string
		UserRanks                     []rankRow
	}
	Errors   []any
	Warnings []struct{ Message string }
}

type rankRow struct {
	OrgID                                 int64 `json:"orgId"`
	TargetGroupID                         int64 `json:"targetGroupId"`
	TargetRuleID                          int64 `json:"targetRuleId"`
	PeriodID                              int64 `json:"periodId"`
	AchievedValue                         json.Number
	Rank                                  int64
	LastActivityTime, LastActivityTimeISO string
	TotalUsersInTargetGroup               int64
}

// clientsFile holds the clients of these tests; each one's secret is its id.
func clientsFile(t *testing.T) string {
	t.Helper()
	var clients []auth.Client
	for _, c := range []auth.Client{
		{ID: "acme", OrgID: 50711},
		{ID: "sibling", OrgID: 50712},
		{ID: "parent", OrgID: 50700},
		{ID: "off", OrgID: 600},
		{ID: "offparent", OrgID: 650},
		{ID: "many", OrgID: 700},
		{ID: "nowhere", OrgID: 999},
		{ID: "toponly", OrgID: 50711, Access: []auth.Access{auth.AccessTop}},
		{ID: "rankonly", OrgID: 50711, Access: []auth.Access{auth.AccessRank}},
	} {
		hash, err := bcrypt.GenerateFromPassword([]byte(c.ID), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		c.SecretHash = string(hash)
		clients = append(clients, c)
	}
	data, err := json.Marshal(map[string]any{"clients": clients})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// queryCatalog is the catalog as its topic has it: key to JSON.
var queryCatalog = map[string]string{
	"org:50700": `{"orgId":50700,"name":"Holding","timeZone":"UTC"}`,
	"org:50711": `{"orgId":50711,"name":"Acme","timeZone":"Asia/Kolkata","parentOrgId":50700,"enrichment":["birthday","gender","anniversary"]}`,
	"org:50712": `{"orgId":50712,"name":"Sibling","timeZone":"America/New_York","parentOrgId":50700,"enrichment":["tier","gender"]}`,
	"org:600":   `{"orgId":600,"name":"Off","timeZone":"UTC","leaderboardsEnabled":false}`,
	"org:650":   `{"orgId":650,"name":"Parent of one that is off","timeZone":"UTC"}`,
	"org:651":   `{"orgId":651,"name":"Off","timeZone":"UTC","parentOrgId":650,"leaderboardsEnabled":false}`,
	"org:700":   `{"orgId":700,"name":"Many","timeZone":"UTC"}`,
	"org:701":   `{"orgId":701,"name":"One","timeZone":"UTC","parentOrgId":700}`,
	"org:702":   `{"orgId":702,"name":"Two","timeZone":"UTC","parentOrgId":700}`,
	"org:703":   `{"orgId":703,"name":"Three","timeZone":"UTC","parentOrgId":700}`,

	"group:50711:232": groupJSON(50711, 232, "Target", "", `{"targetRuleId":367,"name":"fastest","order":"asc"},{"targetRuleId":366,"name":"target1"},{"targetRuleId":365,"name":"target0"}`),
	"group:50711:231": groupJSON(50711, 231, "Early", "", `{"targetRuleId":366,"name":"early"}`),
	"group:50711:233": groupJSON(50711, 233, "Inactive", `"active":false,`, `{"targetRuleId":366,"name":"inactive"}`),
	"group:50711:234": groupJSON(50711, 234, "Disabled", `"leaderboardEnabled":false,`, `{"targetRuleId":366,"name":"disabled"}`),
	"group:50711:235": `{"targetGroupId":235,"orgId":50711,"name":"Over","periods":[{"periodId":1,"refCode":"over","start":"2022-01-01T00:00:00Z","end":"2022-02-01T00:00:00Z"}],"targets":[{"targetRuleId":366,"name":"over"}]}`,
	"group:50712:332": groupJSON(50712, 332, "Theirs", "", `{"targetRuleId":1,"name":"theirs"}`),
	"group:50700:132": groupJSON(50700, 132, "Ours", "", `{"targetRuleId":1,"name":"ours"}`),
}

// groupJSON is a group with period 243 in November 2022 and period 244 running now.
func groupJSON(org, group int, name, flags, targets string) string {
	return fmt.Sprintf(`{"targetGroupId":%d,"orgId":%d,"name":%q,%s"periods":[`+
		`{"periodId":243,"refCode":"target_period","start":"2022-11-01T00:00:00+05:30","end":"2022-12-01T00:00:00+05:30"},`+
		`{"periodId":244,"refCode":"running","start":"2024-06-01T00:00:00Z","end":"2024-07-01T00:00:00Z"}],"targets":[%s]}`,
		group, org, name, flags, targets)
}
