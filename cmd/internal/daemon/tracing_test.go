package daemon

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"leaderboard"
	"leaderboard/consumer"
	"leaderboard/query"
	"leaderboard/query/auth"
)

// otlpCollector takes traces over OTLP, as http/protobuf.
type otlpCollector struct {
	mu   sync.Mutex
	raw  []byte
	told []*spans.Span
}

func (c *otlpCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, of := range request.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			c.told = append(c.told, scope.GetSpans()...)
		}
	}
}

// named is the spans of that name in a trace.
func (c *otlpCollector) named(trace, name string) []*spans.Span {
	var found []*spans.Span
	for _, span := range c.told {
		if hex.EncodeToString(span.GetTraceId()) == trace && span.GetName() == name {
			found = append(found, span)
		}
	}
	return found
}

func attributes(span *spans.Span) map[string]string {
	all := map[string]string{}
	for _, a := range span.GetAttributes() {
		all[a.GetKey()] = strings.Trim(a.GetValue().String(), " ")
	}
	return all
}

// tracedService answers from an embedded store on which user 381329847 stands.
func tracedService(t *testing.T, tracer *Tracer) (http.Handler, *miniredis.Miniredis) {
	t.Helper()
	store := miniredis.RunT(t)
	board := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	member := leaderboard.Member(1_719_230_820_000, 381329847)
	store.HSet(leaderboard.MetaKey, leaderboard.MetaRead, "1", leaderboard.MetaShards(1), "1")
	store.HSet(leaderboard.CatalogKey, "org:1", `{"orgId":1,"timeZone":"UTC"}`,
		"group:1:2", `{"targetGroupId":2,"orgId":1,"periods":[{"periodId":4,"start":"2020-01-01T00:00:00Z","end":"2120-01-01T00:00:00Z"}],"targets":[{"targetRuleId":3}]}`)
	store.HSet(layout.BoardsKey(0), board.String(), "1719230820000")
	if _, err := store.ZAdd(layout.RankKey(board), 21000_000, string(member[:])); err != nil {
		t.Fatal(err)
	}
	store.HSet(layout.UsersKey(board), leaderboard.UserField(381329847), leaderboard.MemberTime(1_719_230_820_000))

	client := redis.NewClient(&redis.Options{Addr: store.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	if err := tracer.TraceRedis(client); err != nil {
		t.Fatal(err)
	}
	var clients auth.Clients
	if err := clients.Add("shop", 1, "secret"); err != nil {
		t.Fatal(err)
	}
	service, err := NewQuery(query.Config{Redis: client, Clients: &clients, Log: slog.New(slog.DiscardHandler)}, nil, tracer)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { _ = service.server.Run(ctx) })
	t.Cleanup(func() { cancel(); ran.Wait() })
	for service.server.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	return tracer.traceHTTP(service.server.Handler()), store
}

func TestTracesGoOnFromTheCallersAndTellOfNoUser(t *testing.T) {
	c := &otlpCollector{}
	server := httptest.NewServer(c)
	defer server.Close()
	tracer, err := Tracing{Endpoint: server.URL}.Start(t.Context(), "query", "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler, store := tracedService(t, tracer)
	ask := func(target, traceparent string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		r.SetBasicAuth("shop", "secret")
		r.Header.Set("User-Agent", "of-somebody")
		r.RemoteAddr = "203.0.113.7:1234"
		if traceparent != "" {
			r.Header.Set("Traceparent", traceparent)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	const (
		rankTrace, topTrace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		failedTrace                 = "6bf92f3577b34da6a3ce929d0e0e4736"
		rankRoute                   = "/v3.1/leaderboards/user/{userId}"
		topRoute                    = "/v3.1/leaderboards/targetGroups/{targetGroupId}"
	)
	const user = "/v3.1/leaderboards/user/381329847?email=user@example.com"
	rank := ask(user, "00-"+rankTrace+"-"+caller+"-01")
	top := ask("/api_gateway/intouch-api-v3/v3.1/leaderboards/targetGroups/2?targetId=3", "00-"+topTrace+"-"+caller+"-01")
	own := ask(user, "")
	for _, w := range []*httptest.ResponseRecorder{rank, top, own} {
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "381329847") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	store.SetError("ERR about 381329847")
	ask(user, "00-"+failedTrace+"-"+caller+"-01")
	tracer.Close()

	for _, want := range []struct {
		w                   *httptest.ResponseRecorder
		trace, name, parent string
	}{
		{rank, rankTrace, "GET " + rankRoute, caller},
		{top, topTrace, "GET /api_gateway/intouch-api-v3" + topRoute, caller},
		{own, own.Header().Get("X-Request-ID"), "GET " + rankRoute, ""},
	} {
		found := c.named(want.trace, want.name)
		if len(found) != 1 {
			t.Errorf("%d spans %s in the trace %s of %v", len(found), want.name, want.trace, c.told)
			continue
		}
		span := found[0]
		if got := hex.EncodeToString(span.GetParentSpanId()); got != want.parent {
			t.Errorf("%s is below %q, want %q", want.name, got, want.parent)
		}
		if got := want.w.Header().Get("X-Request-ID"); got != want.trace {
			t.Errorf("the answer's X-Request-ID is %q, the trace %q", got, want.trace)
		}
		a := attributes(span)
		if _, route, _ := strings.Cut(want.name, " "); !strings.Contains(a["http.route"], route) || !strings.Contains(a["http.response.status_code"], "200") {
			t.Errorf("the attributes of %s are %v", want.name, a)
		}
		below := 0
		for _, s := range c.told {
			if strings.HasPrefix(s.GetName(), "redis.pipeline ") && bytes.Equal(s.GetParentSpanId(), span.GetSpanId()) {
				below++
			}
		}
		if below == 0 {
			t.Errorf("no request to Redis is below %s", want.name)
		}
	}
	failed := c.named(failedTrace, "GET "+rankRoute)
	if len(failed) != 1 || failed[0].GetStatus().GetCode() != spans.Status_STATUS_CODE_ERROR {
		t.Errorf("the failed request is %v", failed)
	}
	for _, personal := range []string{"381329847", "user@example.com", "203.0.113.7", "of-somebody"} {
		if strings.Contains(string(c.raw), personal) {
			t.Errorf("%q is exported", personal)
		}
	}
}

// failingBoards fail every batch, and say of whom.
type failingBoards struct{ consumer.Boards }

func (failingBoards) Apply(context.Context, leaderboard.Batch) (leaderboard.Outcome, error) {
	return leaderboard.Outcome{}, errors.New("381329847 failed")
}

func TestABatchIsASpan(t *testing.T) {
	c := &otlpCollector{}
	server := httptest.NewServer(c)
	defer server.Close()
	tracer, err := Tracing{Endpoint: server.URL + "/"}.Start(t.Context(), "projector", "v1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tracer.traceBoards(failingBoards{}).Apply(t.Context(), leaderboard.Batch{Partition: 7, Records: make([]leaderboard.Record, 3)}); err == nil {
		t.Error("the error is lost")
	}
	tracer.Close()
	if len(c.told) != 1 || c.told[0].GetName() != "apply batch" || c.told[0].GetStatus().GetCode() != spans.Status_STATUS_CODE_ERROR {
		t.Fatalf("the spans are %v", c.told)
	}
	if a := attributes(c.told[0]); !strings.Contains(a["messaging.batch.message_count"], "3") || !strings.Contains(a["messaging.destination.partition.id"], "7") {
		t.Errorf("the attributes are %v", a)
	}
	if strings.Contains(string(c.raw), "381329847") {
		t.Error("the error's text is exported")
	}
}

func TestNoTracesAreMadeWithoutAnEndpoint(t *testing.T) {
	tracer, err := Tracing{}.Start(t.Context(), "query", "v1", slog.New(slog.DiscardHandler))
	if err != nil || tracer != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	handler := http.NewServeMux()
	if tracer.traceHTTP(handler) != http.Handler(handler) {
		t.Error("the handler is wrapped")
	}
	if err := tracer.TraceRedis(nil); err != nil {
		t.Error(err)
	}
	tracer.Close()
}
