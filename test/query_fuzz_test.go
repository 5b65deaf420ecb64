package test

import (
	"cmp"
	"encoding/binary"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
)

// TestFuzzAPI has schemathesis make requests of the document, right ones and wrong
// ones, and hold the answers against it. At first ids are any, of which the service
// knows few; then they are those of the board, so that it has to answer what is asked
// for rightly. Streams are left out: their answers have no end.
func TestFuzzAPI(t *testing.T) {
	if os.Getenv("SCHEMATHESIS") == "" {
		t.Skip("only with SCHEMATHESIS, as `make fuzz-api` does")
	}
	s := startSecured(t, "--trusted-proxies", "127.0.0.0/8")
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	t.Cleanup(func() { _ = client.Close() })
	seed := &queryService{seeder: &seeder{t: t, redis: client}}
	seedDocumentedBoard(seed)
	seed.catalog(map[string]string{"group:50711:232": strings.ReplaceAll(queryCatalog["group:50711:232"], "2024-07-01", "2124-07-01")})
	programs.Await(t, "a period to be running", func() error {
		return newAPI(t, s.query.API(), "shop", "change-me").ask(topPath+"232?targetId=366", "", new(any))
	})

	text := readFile(t, filepath.Join("..", "query", "openapi.yaml"))
	config := absolute(t, filepath.Join("schemathesis", "schemathesis.toml"))
	t.Run("any ids", func(t *testing.T) { s.fuzz(t, text, "--config-file", config) })
	t.Run("ids of the board", func(t *testing.T) { s.fuzz(t, narrowed(t, text)) })

	for _, route := range []string{topPath + "{targetGroupId}", topPath + "{targetGroupId}/user/{userId}", strings.TrimSuffix(topPath, "/"), rankPath + "{userId}", tokenPath, "/openapi.yaml", "/docs"} {
		answered := s.query.Metric("leaderboard_http_requests_total", "route", route, "status", "200")
		t.Logf("%s: %v answers with status 200", route, answered)
		if answered < 10 {
			t.Errorf("%s has given an answer %v times", route, answered)
		}
	}
	if panics := s.query.Metric("leaderboard_http_panics_total"); panics > 0 {
		t.Errorf("%v requests ended in a panic", panics)
	}
}

// manyAddresses is a proxy in front of the service through which every request is
// from an address of its own: wrong credentials belong to the fuzzing, and their limit
// is tested elsewhere.
func (s *secured) manyAddresses(t *testing.T) string {
	t.Helper()
	service, err := url.Parse(s.query.API())
	if err != nil {
		t.Fatal(err)
	}
	var requests atomic.Uint32
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(service)
		r.Out.URL.RawQuery = r.In.URL.RawQuery // the malformed too
		address := binary.BigEndian.AppendUint32(nil, 10<<24+requests.Add(1))
		r.Out.Header.Set("X-Forwarded-For", net.IP(address).String())
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// fuzz runs schemathesis with a document on the service.
func (s *secured) fuzz(t *testing.T, text string, flags ...string) {
	document := filepath.Join(t.TempDir(), "openapi.yaml")
	writeFile(t, document, text)
	fuzzing := exec.CommandContext(t.Context(), os.Getenv("SCHEMATHESIS"), append(flags, "run", document, "--url", s.manyAddresses(t),
		"--exclude-path-regex", "/stream$", // it does not end
		"--auth", "shop:change-me", "--seed", cmp.Or(os.Getenv("SEED"), "1"), "--max-examples", "20", "--exclude-operation-id", "followTopRankedUsers", "--continue-on-failure", "--no-color")...)
	fuzzing.Dir = filepath.Dir(document)
	fuzzing.Stdout, fuzzing.Stderr = os.Stdout, os.Stderr
	if err := fuzzing.Run(); err != nil {
		t.Errorf("schemathesis: %v", err)
	}
}

// narrowed allows only what the service knows, and no organisations in a header,
// which are right or wrong together with another header.
func narrowed(t *testing.T, text string) string {
	t.Helper()
	for _, change := range [][2]string{
		{"        - $ref: '#/components/parameters/dataScopeOrg'\n", ""},
		{"        - $ref: '#/components/parameters/dataScopeOrgs'\n", ""},
		{"      - $ref: '#/components/parameters/dataScopeOrg'\n", ""},
		{"      - $ref: '#/components/parameters/dataScopeOrgs'\n", ""},
		{"enum: [SELF, OTHER, ALL, '']", "enum: [SELF, ALL, '']"},
		{"{type: integer, format: int64}\n      example: 232\n", "{enum: [232]}\n"},
		{"{type: integer, format: int64}\n      example: 366\n", "{enum: [366]}\n"},
		{"{type: integer, format: int64}\n      example: 243\n", "{enum: [243, 244]}\n"},
		{"key: {type: string, minLength: 1, ", "key: {enum: [shop], "},
		{"secret: {type: string, minLength: 1, ", "secret: {enum: [change-me], "},
		{"orgId: {type: [integer, 'null'], minimum: 1, maximum: 9223372036854775807, ", "orgId: {enum: [50711, null], "},
	} {
		if !strings.Contains(text, change[0]) {
			t.Errorf("the document has nowhere %q", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}
