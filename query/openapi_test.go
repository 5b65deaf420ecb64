package query

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/yaml"

	"leaderboard"
	"leaderboard/query/auth"
)

// apiDocument is what these tests read of openapi.yaml.
type apiDocument struct {
	Paths      map[string]map[string]any
	Components struct {
		RequestBodies map[string]struct{ Description string }
		Responses     map[string]struct{ Description string }
		Schemas       map[string]any
	}
}

// property is the schema of what lies so deep in an answer.
func (d *apiDocument) property(schema string, names ...string) map[string]any {
	found, _ := d.Components.Schemas[schema].(map[string]any)
	for _, name := range names {
		properties, _ := found["properties"].(map[string]any)
		found, _ = properties[name].(map[string]any)
	}
	return found
}

// parameter is one of a GET's own, which it does not share with others.
func (d *apiDocument) parameter(path, name string) map[string]any {
	get, _ := d.Paths[path]["get"].(map[string]any)
	parameters, _ := get["parameters"].([]any)
	for _, p := range parameters {
		if p, _ := p.(map[string]any); p["name"] == name {
			return p
		}
	}
	return nil
}

func readDocument(t *testing.T) *apiDocument {
	t.Helper()
	d := &apiDocument{}
	if err := yaml.Unmarshal(document, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// bareService is a handler that has read nothing from Redis, and its metrics, which
// name every route.
func bareService(t *testing.T) (http.Handler, *prometheus.Registry) {
	t.Helper()
	clients := new(auth.Clients)
	if err := clients.Add("shop", 50711, "secret"); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	s, err := New(Config{Redis: redis.NewClient(&redis.Options{}), Clients: clients, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler(), registry
}

func TestDocumentAndRoutesAgree(t *testing.T) {
	handler, registry := bareService(t)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, family := range families {
		if family.GetName() == "leaderboard_http_request_duration_seconds" {
			for _, series := range family.GetMetric() {
				served[series.GetLabel()[0].GetValue()] = true
			}
		}
	}
	delete(served, "/") // whatever is none of them
	documented := readDocument(t).Paths
	if got, want := slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(served)); !slices.Equal(got, want) {
		t.Errorf("documented are\n%q, served\n%q", got, want)
	}
	for path, operations := range documented {
		var want []string
		for method := range operations {
			switch method {
			case "get":
				want = append(want, "GET", "HEAD")
			case "post":
				want = append(want, "POST")
			}
		}
		slices.Sort(want)
		target := strings.NewReplacer("{targetGroupId}", "1", "{userId}", "1").Replace(path)
		for _, base := range []string{"", gatewayPrefix} {
			if got := answerTo(t, handler, http.MethodPatch, base+target).Header().Get("Allow"); got != strings.Join(want, ", ") {
				t.Errorf("%s%s allows %s, documented are %q", base, path, got, want)
			}
		}
	}
}

func TestDocumentHasTheLimits(t *testing.T) {
	d := readDocument(t)
	const list = "/v3.1/leaderboards/targetGroups/{targetGroupId}"
	for _, c := range []struct {
		path, name              string
		absent, least, notAbove int64
	}{
		{list, "pageOffset", 0, -1, 0},
		{list, "pageSize", defaultPageSize, 1, maxPageSize},
		{list, "pageLimit", defaultPageLimit, 1, maxPageLimit},
		{list + "/stream", "pageSize", defaultPageSize, 1, maxPageSize},
		{list + "/user/{userId}", "before", defaultNeighbours, 0, maxNeighbours},
		{list + "/user/{userId}", "after", defaultNeighbours, 0, maxNeighbours},
	} {
		p := d.parameter(c.path, c.name)
		schema, _ := p["schema"].(map[string]any)
		least, isLimited := schema["minimum"]
		if schema["default"] != float64(c.absent) || isLimited != (c.least >= 0) || (isLimited && least != float64(c.least)) {
			t.Errorf("%s: documented are %v", c.name, schema)
		}
		if want := fmt.Sprintf("More than %d are taken as %[1]d", c.notAbove); c.notAbove > 0 && !strings.Contains(fmt.Sprint(p["description"]), want) {
			t.Errorf("%s: the document does not say %q", c.name, want)
		}
	}
	bytes := strings.Replace(fmt.Sprint(DefaultMaxBodyBytes), "65536", "65,536", 1)
	for what, holds := range map[string]bool{
		"the largest body":        strings.Contains(d.Components.Responses["BodyTooLarge"].Description, bytes) && strings.Contains(d.Components.RequestBodies["Items"].Description, bytes),
		"the items that count":    strings.Contains(d.Components.RequestBodies["Items"].Description, fmt.Sprintf("The first %d items", maxItems)),
		"the life of a token":     d.property("Token", "data", "ttlSeconds")["const"] == float64(auth.TokenLifetime/time.Second),
		"the entries told":        d.property("Board", "data", "rankings")["maxItems"] == float64(maxPageSize*maxPageLimit),
		"the children with ALL":   strings.Contains(string(document), "if there are no more than two") && maxConnected == 2,
		"how long it may be kept": strings.Contains(string(document), "const: '"+cachePublicly[0]+"'"),
	} {
		if !holds {
			t.Errorf("the document does not say what the code has: %s", what)
		}
	}
}

func TestDocumentHasTheCodes(t *testing.T) {
	var want []int
	for code := range statuses {
		want = append(want, int(code))
	}
	for _, code := range []leaderboard.Code{
		leaderboard.CodeNotInHierarchy, leaderboard.CodeInvalidInput, leaderboard.CodeInvalidUserID, leaderboard.CodeGroupNotFound, leaderboard.CodeRuleNotOfGroup,
		leaderboard.CodePeriodNotFound, leaderboard.CodeOrgDisabled, leaderboard.CodeGroupDisabled, leaderboard.CodeScopeUnsupported, leaderboard.CodeScopeOrgsInvalid,
	} {
		want = append(want, int(code))
	}
	slices.Sort(want)
	found, _ := readDocument(t).property("Failure", "errors")["items"].(map[string]any)
	properties, _ := found["properties"].(map[string]any)
	code, _ := properties["code"].(map[string]any)
	if got := fmt.Sprint(code["enum"]); got != fmt.Sprint(want) {
		t.Errorf("documented are the codes %s, not %v", got, want)
	}
}

// Whatever an answer holds has to be documented: no object of an answer is open but
// the user's fields, which organisations name.
func TestDocumentLetsNothingUnknownPass(t *testing.T) {
	open := map[string]bool{"Item": true, "Ranking/userEnrichmentDetails": true}
	var look func(name string, part any)
	look = func(name string, part any) {
		schema, ok := part.(map[string]any)
		if !ok {
			return
		}
		if schema["type"] == "object" && schema["additionalProperties"] != false && !open[name] {
			t.Errorf("%s may hold what is not documented", name)
		}
		properties, _ := schema["properties"].(map[string]any)
		for field, p := range properties {
			look(name+"/"+field, p)
		}
		look(name, schema["items"])
	}
	for name, s := range readDocument(t).Components.Schemas {
		look(name, s)
	}
}

func TestDocumentAndPageAreServedToEverybody(t *testing.T) {
	handler, _ := bareService(t)
	for target, want := range map[string]string{"/openapi.yaml": "openapi: 3.1", "/docs": "<!DOCTYPE html>"} {
		for _, base := range []string{"", gatewayPrefix} {
			got := answerTo(t, handler, http.MethodGet, base+target, "Authorization", "Basic !")
			if got.Code != http.StatusOK || !strings.HasPrefix(got.Body.String(), want) || got.Header().Get("Cache-Control") != "public, max-age=300" {
				t.Errorf("%s%s: %d %v", base, target, got.Code, got.Header())
			}
			held := answerTo(t, handler, http.MethodGet, base+target, "If-None-Match", got.Header().Get("ETag"))
			if held.Code != http.StatusNotModified || held.Body.Len() != 0 || held.Header().Get("Content-Type") != "" {
				t.Errorf("%s%s, once it is held: %d %v", base, target, held.Code, held.Header())
			}
		}
	}
	policy := answerTo(t, handler, http.MethodGet, "/docs").Header().Get("Content-Security-Policy")
	if !regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[\w+/]{43}='; `).MatchString(policy) {
		t.Errorf("the page's policy is %s", policy)
	}
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	handler := smallService(t)
	for _, target := range []string{top1, user7, "/openapi.yaml", "/docs"} {
		get, head := answerTo(t, handler, http.MethodGet, target), answerTo(t, handler, http.MethodHead, target)
		for _, w := range []*httptest.ResponseRecorder{get, head} {
			w.Header().Del("X-Request-Id")
		}
		if get.Code != http.StatusOK || head.Code != get.Code || !maps.EqualFunc(head.Header(), get.Header(), slices.Equal) {
			t.Errorf("%s: GET %d %v, HEAD %d %v", target, get.Code, get.Header(), head.Code, head.Header())
		}
	}
}
