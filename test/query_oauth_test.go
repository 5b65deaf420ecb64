package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

const (
	tokenPath   = "/v3/oauth/token/generate"
	tokenHeader = "X-CAP-API-OAUTH-TOKEN"
)

// secured is the real query service with files of clients and token keys.
type secured struct {
	t                        *testing.T
	redis, clients, tokenKey string
	query                    *programs.Program
}

// startSecured knows the client shop of organisation 50711 with the secret change-me.
func startSecured(t *testing.T, args ...string) *secured {
	t.Helper()
	dir := t.TempDir()
	store := servers.RedisServer(t)
	client := redis.NewClient(&redis.Options{Addr: store.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	seed := &seeder{t: t, redis: client}
	seed.meta()
	seed.catalog(queryCatalog)
	s := &secured{t: t, redis: store.Addr(), clients: filepath.Join(dir, "clients.json"), tokenKey: filepath.Join(dir, "token-key.pem")}
	s.change("add", "--id", "shop", "--org", "50711", "--secret", "change-me")
	programs.Run(t, "clients", "token-key", "--file", s.tokenKey)
	s.query = s.start(args...)
	return s
}

// start starts a service beside those that run.
func (s *secured) start(args ...string) *programs.Program {
	s.t.Helper()
	return programs.Start(s.t, "query", append([]string{"--redis-addrs", s.redis, "--clients-file", s.clients, "--token-key-file", s.tokenKey}, args...)...)
}

// change changes the clients file.
func (s *secured) change(command string, args ...string) {
	s.t.Helper()
	programs.Run(s.t, "clients", append([]string{command, "--file", s.clients}, args...)...)
}

// send sends a request and gives what comes back.
func send(t *testing.T, method, url, body string, header http.Header) queryResponse {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return queryResponse{response.StatusCode, response.Header, string(text)}
}

// basic are the headers of a client with a secret.
func basic(id, secret string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}}
}

func (s *secured) askRank(header http.Header) queryResponse {
	s.t.Helper()
	return send(s.t, http.MethodGet, s.query.API()+rankPath+"1", "", header)
}

// awaitStatus asks until the service answers so; it follows its files each second.
func (s *secured) awaitStatus(status int, header http.Header) {
	s.t.Helper()
	programs.Await(s.t, fmt.Sprintf("status %d", status), func() error {
		if got := s.askRank(header); got.status != status {
			return fmt.Errorf("it is %d", got.status)
		}
		return nil
	})
}

// generateToken gets a token for a secret.
func generateToken(t *testing.T, api, key, secret string) string {
	t.Helper()
	response := send(t, http.MethodPost, api+tokenPath, fmt.Sprintf(`{"key":%q,"secret":%q}`, key, secret), http.Header{"Content-Type": {"application/json"}})
	match := regexp.MustCompile(`^\{"data":\{"accessToken":"([\w-]+\.[\w-]+\.[\w-]+)","ttlSeconds":3600\},"errors":null\}$`).FindStringSubmatch(response.body)
	if response.status != http.StatusOK || match == nil || response.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the answer is %d %s %v", response.status, response.body, response.header)
	}
	return match[1]
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func TestTokenForASecret(t *testing.T) {
	s := startSecured(t)
	for _, base := range []string{"", prefix} {
		token := generateToken(t, s.query.API()+base, "shop", "change-me")
		for _, header := range []http.Header{bearer(token), {http.CanonicalHeaderKey(tokenHeader): {token}}} {
			if got := s.askRank(header); got.status != http.StatusOK {
				t.Errorf("with %v: %d %s", header, got.status, got.body)
			}
		}
		for name, c := range map[string]struct {
			method, body, contentType string
			status, code              int
			message                   string
		}{
			"wrong secret":   {"POST", `{"key":"shop","secret":"wrong"}`, "", 401, 401, textAuthentication},
			"unknown client": {"POST", `{"key":"nobody","secret":"change-me"}`, "", 401, 401, textAuthentication},
			"no key":         {"POST", `{"secret":"change-me"}`, "", 400, 300004, "Invalid input: key is missing"},
			"no secret":      {"POST", `{"key":"shop"}`, "", 400, 300004, "Invalid input: secret is missing"},
			"no body":        {"POST", ``, "", 400, 300004, "Invalid input: the body must be an object with the texts key and secret"},
			"no texts":       {"POST", `{"key":1}`, "", 400, 300004, "Invalid input: the body must be an object with the texts key and secret"},
			"a form":         {"POST", `key=shop&secret=change-me`, "application/x-www-form-urlencoded", 415, 415, "The body must be JSON, with Content-Type application/json"},
			"GET":            {"GET", ``, "", 405, 405, "This resource does not support the method, see the header Allow"},
			"large":          {"POST", `{"key":"` + strings.Repeat("x", 64<<10) + `"}`, "", 413, 413, "The body is larger than the 65536 bytes that are allowed"},
		} {
			req := queryRequest{method: c.method, path: base + tokenPath, body: name}
			header := http.Header{}
			if c.contentType != "" {
				header.Set("Content-Type", c.contentType)
			}
			expectError(t, req, send(t, c.method, s.query.API()+req.path, c.body, header), c.status, c.code, c.message)
		}
	}
	if log := s.query.Log(); strings.Contains(log, "change-me") || strings.Contains(log, "there is no token key file") {
		t.Errorf("the log says too much:\n%s", log)
	}
}

func TestTokenOutlivesTheProcessThatGaveIt(t *testing.T) {
	s := startSecured(t)
	token := generateToken(t, s.query.API(), "shop", "change-me")
	s.query.Stop()
	s.query = s.start()
	s.awaitStatus(http.StatusOK, bearer(token))
	programs.Run(t, "clients", "token-key", "--file", s.tokenKey)
	first := keyOf(token)
	programs.Await(t, "a token of the new key", func() error {
		if second := generateToken(t, s.query.API(), "shop", "change-me"); keyOf(second) == first {
			return fmt.Errorf("the key is still %s", first)
		}
		return nil
	})
	s.awaitStatus(http.StatusOK, bearer(token))
	programs.Run(t, "clients", "token-key", "--file", s.tokenKey)
	s.awaitStatus(http.StatusUnauthorized, bearer(token))
}

// keyOf is the header of a token, which names the key.
func keyOf(token string) string {
	header, _, _ := strings.Cut(token, ".")
	return header
}

// claimSet is a JSON object.
type claimSet map[string]any

// with are the fields of both; those that are nil are left out.
func (c claimSet) with(fields claimSet) claimSet {
	all := maps.Clone(c)
	maps.Copy(all, fields)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// sign writes a token by hand.
func sign(t *testing.T, header, claims claimSet, signature func(input []byte) []byte) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature([]byte(input)))
}

func ed25519Signature(key ed25519.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte { return ed25519.Sign(key, input) }
}

func hmacSignature(key []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

// readKey is the key in the file, its id, and the text of the public key.
func readKey(t *testing.T, path string) (key ed25519.PrivateKey, id string, public []byte) {
	t.Helper()
	block, _ := pem.Decode([]byte(readFile(t, path)))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key = parsed.(ed25519.PrivateKey)
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"crv":"Ed25519","kty":"OKP","x":"%s"}`, base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey))))
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, base64.RawURLEncoding.EncodeToString(thumbprint[:]), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestTokensThatTheServiceRefuses(t *testing.T) {
	s := startSecured(t)
	key, id, public := readKey(t, s.tokenKey)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	header := claimSet{"alg": "EdDSA", "typ": "JWT", "kid": id}
	claims := claimSet{"iss": "leaderboard", "sub": "shop", "org_id": 50711, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "x"}
	if got := s.askRank(bearer(sign(t, header, claims, ed25519Signature(key)))); got.status != http.StatusOK {
		t.Fatalf("a good token: %d %s", got.status, got.body)
	}
	for name, token := range map[string]string{
		"rubbish":                   "x",
		"none":                      sign(t, header.with(claimSet{"alg": "none"}), claims, func([]byte) []byte { return nil }),
		"HS256 with the public key": sign(t, header.with(claimSet{"alg": "HS256"}), claims, hmacSignature(public)),
		"HS256 with its bytes":      sign(t, header.with(claimSet{"alg": "HS256"}), claims, hmacSignature(key.Public().(ed25519.PublicKey))),
		"signed by a stranger":      sign(t, header, claims, ed25519Signature(stranger)),
		"unknown key":               sign(t, header.with(claimSet{"kid": "unknown"}), claims, ed25519Signature(key)),
		"expired":                   sign(t, header, claims.with(claimSet{"exp": now.Add(-time.Hour).Unix()}), ed25519Signature(key)),
		"without end":               sign(t, header, claims.with(claimSet{"exp": nil}), ed25519Signature(key)),
		"not yet valid":             sign(t, header, claims.with(claimSet{"nbf": now.Add(time.Hour).Unix()}), ed25519Signature(key)),
		"wrong issuer":              sign(t, header, claims.with(claimSet{"iss": "https://elsewhere.example"}), ed25519Signature(key)),
		"unknown client":            sign(t, header, claims.with(claimSet{"sub": "nobody"}), ed25519Signature(key)),
		"another organisation":      sign(t, header, claims.with(claimSet{"org_id": 50712}), ed25519Signature(key)),
	} {
		got := s.askRank(bearer(token))
		expectError(t, queryRequest{path: rankPath + "1", client: name}, got, 401, 401, textAuthentication)
		if challenge := got.header.Get("WWW-Authenticate"); challenge != `Bearer realm="leaderboard", error="invalid_token"` {
			t.Errorf("%s: WWW-Authenticate is %q", name, challenge)
		}
	}
	s.change("remove", "--id", "shop")
	s.awaitStatus(http.StatusUnauthorized, bearer(sign(t, header, claims, ed25519Signature(key))))
}

func TestTokensOfAnOutsideIssuer(t *testing.T) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keySet, err := json.Marshal(map[string]any{"keys": []claimSet{{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "k", "x": base64.RawURLEncoding.EncodeToString(public)}}})
	if err != nil {
		t.Fatal(err)
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(keySet)) }))
	defer provider.Close()
	issuers := filepath.Join(t.TempDir(), "issuers.yaml")
	writeFile(t, issuers, "issuers:\n  - {issuer: https://id.example.com/, jwks: '"+provider.URL+"', audience: boards, orgs: [50711], access: [rank]}\n")
	s := startSecured(t, "--issuers-file", issuers)
	now := time.Now()
	header := claimSet{"alg": "EdDSA", "kid": "k"}
	claims := claimSet{
		"iss": "https://id.example.com/", "sub": "someone", "aud": []string{"boards"}, "org_id": 50711, "scope": "leaderboard:rank leaderboard:top",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	signed := func(fields claimSet) http.Header {
		return bearer(sign(t, header, claims.with(fields), ed25519Signature(key)))
	}
	if got := s.askRank(signed(nil)); got.status != http.StatusOK {
		t.Fatalf("a good token: %d %s", got.status, got.body)
	}
	top := queryRequest{path: topPath + "232?targetId=366", client: "more than the issuer may grant"}
	expectError(t, top, send(t, http.MethodGet, s.query.API()+top.path, "", signed(nil)), 403, 4000, textAccess)
	expectError(t, queryRequest{client: "no scope"}, s.askRank(signed(claimSet{"scope": nil})), 403, 4000, textAccess)
	for name, fields := range map[string]claimSet{
		"wrong audience":       {"aud": "others"},
		"no audience":          {"aud": nil},
		"wrong issuer":         {"iss": "https://elsewhere.example/"},
		"in the service's":     {"iss": "leaderboard", "sub": "shop"},
		"not its organisation": {"org_id": 50712},
		"expired":              {"exp": now.Add(-time.Hour).Unix()},
		"not yet valid":        {"nbf": now.Add(time.Hour).Unix()},
	} {
		expectError(t, queryRequest{client: name}, s.askRank(signed(fields)), 401, 401, textAuthentication)
	}
	if log := s.query.Log(); strings.Contains(log, "someone") {
		t.Errorf("the log names the subject:\n%s", log)
	}
}

func TestClientsChangeWhileTheServiceRuns(t *testing.T) {
	s := startSecured(t)
	s.awaitStatus(http.StatusOK, basic("shop", "change-me"))
	s.change("add", "--id", "list", "--org", "50711", "--secret", "list", "--access", "top")
	s.awaitStatus(http.StatusForbidden, basic("list", "list"))
	s.change("rotate", "--id", "shop", "--secret", "changed")
	s.awaitStatus(http.StatusOK, basic("shop", "changed"))
	s.awaitStatus(http.StatusOK, basic("shop", "change-me"))
	s.change("rotate", "--id", "shop", "--secret", "again", "--grace", "0s")
	s.awaitStatus(http.StatusUnauthorized, basic("shop", "changed"))
	whole := readFile(t, s.clients)
	writeFile(t, s.clients, whole[:len(whole)/2])
	programs.Await(t, "the broken file to be told", func() error {
		if s.query.Metric("leaderboard_query_file_current", "file", "clients") != 0 || !strings.Contains(s.query.Log(), "a changed file cannot be used") {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	s.awaitStatus(http.StatusOK, basic("shop", "again"))
	writeFile(t, s.clients, whole)
	s.change("remove", "--id", "shop")
	s.awaitStatus(http.StatusUnauthorized, basic("shop", "again"))
	if got := s.query.Metric("leaderboard_query_file_current", "file", "clients"); got != 1 {
		t.Errorf("the mended file is not current: %v", got)
	}
}

func TestFailedAttemptsAreLimitedByAddress(t *testing.T) {
	s := startSecured(t, "--trusted-proxies", "127.0.0.0/8")
	from := func(address, id, secret string) http.Header {
		header := basic(id, secret)
		header.Set("X-Forwarded-For", "1.1.1.1, "+address)
		return header
	}
	if got := s.askRank(from("192.0.2.1", "shop", "change-me")); got.status != http.StatusOK {
		t.Fatalf("the client: %d %s", got.status, got.body)
	}
	limited := func(address string) bool {
		got := s.askRank(from(address, "shop", "wrong"))
		if got.status == http.StatusTooManyRequests {
			expectError(t, queryRequest{client: address}, got, 429, 429, "Too many requests, please slow down")
			if !regexp.MustCompile(`^[1-6]$`).MatchString(got.header.Get("Retry-After")) {
				t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
			}
			return true
		}
		expectError(t, queryRequest{client: address}, got, 401, 401, textAuthentication)
		return false
	}
	for _, address := range []string{"192.0.2.66", "192.0.2.1"} {
		for range 30 {
			if limited(address) {
				break
			}
		}
		if !limited(address) {
			t.Errorf("attempts from %s are not limited", address)
		}
	}
	if got := s.askRank(from("192.0.2.1", "shop", "change-me")); got.status != http.StatusOK {
		t.Errorf("the flood keeps out the client: %d %s", got.status, got.body)
	}
	if got := s.query.Metric("leaderboard_query_credentials_limited_total", "credentials", "secret"); got < 2 {
		t.Errorf("%v attempts counted as limited", got)
	}
}

func TestDevGivesTokens(t *testing.T) {
	data := t.TempDir()
	start := func() *programs.Program {
		return programs.Start(t, "leaderboard", "dev", "--data", data, "--kafka-listen", "127.0.0.1:0", "--simulate=false")
	}
	dev := start()
	token := generateToken(t, dev.API(), "demo", "demo")
	dev.Stop()
	dev = start()
	if got := send(t, http.MethodGet, dev.API()+rankPath+"1", "", bearer(token)); got.status != http.StatusOK {
		t.Errorf("the token did not come back with the data: %d %s", got.status, got.body)
	}
}
