package test

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

const documentedTop = topPath + "232?targetId=366&periodId=243&pageSize=100"

// queryProgram is bin/query on a Redis with the documented board.
type queryProgram struct {
	*queryService
	*programs.Program
}

// launchQuery starts bin/query and does not wait for it.
func launchQuery(t *testing.T, args ...string) *queryProgram {
	t.Helper()
	store := servers.RedisServer(t)
	client := redis.NewClient(&redis.Options{Addr: store.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	service := &queryService{seeder: &seeder{t: t, redis: client}, process: store}
	service.meta()
	service.catalog(queryCatalog)
	seedDocumentedBoard(service)
	args = append([]string{"--clients-file", clientsFile(t), "--redis-addrs", store.Addr()}, args...)
	return &queryProgram{service, programs.Launch(t, nil, "query", args...)}
}

// startQuery starts bin/query, and has it know acme's secret once it is there.
func startQuery(t *testing.T, args ...string) *queryProgram {
	t.Helper()
	q := launchQuery(t, args...)
	q.AwaitReady()
	q.url = q.API()
	if res := q.ask(queryRequest{path: rankPath + "1"}); res.status != http.StatusOK {
		t.Fatalf("%d %s", res.status, res.body)
	}
	return q
}

func TestQueryCutsOffWhoSendsSlowly(t *testing.T) {
	q := startQuery(t)
	conn, err := net.Dial("tcp", q.Listening("api"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+rankPath+"1 HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-ended:
				return
			case <-tick.C:
				_, _ = io.WriteString(conn, "x")
			}
		}
	}()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	text, err := io.ReadAll(conn)
	close(ended)
	if errors.Is(err, os.ErrDeadlineExceeded) || strings.HasPrefix(string(text), "HTTP/1.1 200") {
		t.Errorf("a minute of headers ends in %v, %q", err, text)
	}
	if res := q.ask(queryRequest{path: rankPath + "1"}); res.status != http.StatusOK {
		t.Errorf("another client: %d", res.status)
	}
}

func TestQueryRefusesWhatIsTooLarge(t *testing.T) {
	q := startQuery(t)
	large := queryRequest{path: rankPath + "1", headers: map[string]string{"X-Large": strings.Repeat("x", 80<<10)}}
	if res := q.ask(large); res.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 80 KiB: %d %s", res.status, res.body)
	}
	large = queryRequest{method: http.MethodPost, path: rankPath + "1", body: strings.Repeat(" ", 64<<10+1)}
	expectError(t, large, q.ask(large), 413, 413, "The body is larger than the 65536 bytes that are allowed")
	if res := q.ask(queryRequest{path: rankPath + "1"}); res.status != http.StatusOK {
		t.Errorf("another request: %d", res.status)
	}
}

func TestQueryRefusesRequestsAboveItsLimitAndFinishesTheOthers(t *testing.T) {
	const places = 3
	q := startQuery(t, "--max-concurrent", fmt.Sprint(places), "--request-timeout", "2m")
	q.process.Pause()
	answers := make(chan queryResponse, places)
	for i := range places {
		go func() { answers <- q.ask(queryRequest{path: fmt.Sprint(rankPath, 1000+i)}) }()
	}
	programs.Await(t, "the places to be taken", func() error {
		if n := q.Metric("leaderboard_http_requests_in_flight"); n != places {
			return fmt.Errorf("%v are", n)
		}
		return nil
	})
	for _, client := range []string{"acme", "-"} {
		req := queryRequest{path: documentedTop, client: client}
		res := q.ask(req)
		expectError(t, req, res, 503, 503, textOverload)
		if got := res.header.Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After is %q", got)
		}
	}
	if n := q.Metric("leaderboard_http_overloads_total"); n != 2 {
		t.Errorf("%v refusals counted", n)
	}
	alive, err := http.Get(q.Admin() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	alive.Body.Close()
	if alive.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", alive.StatusCode)
	}
	q.process.Resume()
	for range places {
		if res := <-answers; res.status != http.StatusOK {
			t.Errorf("one that was being answered: %d %s", res.status, res.body)
		}
	}
	if res := q.ask(queryRequest{path: documentedTop}); res.status != http.StatusOK {
		t.Errorf("once there is room again: %d", res.status)
	}
}

func TestQueryKeepsNothingOfTheRequestsThatAFrozenRedisFailed(t *testing.T) {
	const requests = 200
	q := startQuery(t, "--request-timeout", "500ms")
	http.DefaultClient.CloseIdleConnections()
	before := q.Metric("go_goroutines")
	q.process.Pause()
	defer q.process.Resume()
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			for _, req := range []queryRequest{
				{path: fmt.Sprint(rankPath, 1000+i)},
				{path: fmt.Sprint(topPath, "232?targetId=366&periodId=243&pageOffset=", i)},
			} {
				res := q.ask(req)
				expectError(t, req, res, 503, 503, textUnavailable)
				if got := res.header.Get("Retry-After"); got != "1" {
					t.Errorf("Retry-After is %q", got)
				}
			}
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	programs.Await(t, "the goroutines to end", func() error {
		if n := q.Metric("go_goroutines"); n > before+20 {
			return fmt.Errorf("there are %v, %v before", n, before)
		}
		return nil
	})
	q.process.Resume()
	programs.Await(t, "an answer", func() error {
		if res := q.ask(queryRequest{path: documentedTop}); res.status != http.StatusOK {
			return errors.New(res.body)
		}
		return nil
	})
}

// writeCertificate puts a new certificate for 127.0.0.1, with its key, into the files.
func writeCertificate(t *testing.T, serial int64, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// presented is the serial number of the certificate that the server presents.
func presented(addr string) (int64, error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestQueryServesTLSWithTheCertificateOfTheMoment(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, 1, certFile, keyFile)
	q := launchQuery(t, "--tls-cert", certFile, "--tls-key", keyFile, "--admin-tls-cert", certFile, "--admin-tls-key", keyFile)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	// get expects 200 of the right protocol, kept to TLS or not.
	get := func(url, protocol string, strict bool) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		r.SetBasicAuth("acme", "acme")
		res, err := client.Do(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if kept := res.Header.Get("Strict-Transport-Security") != ""; res.StatusCode != http.StatusOK || res.Proto != protocol || kept != strict {
			return fmt.Errorf("%s %s, kept to TLS: %v", res.Proto, res.Status, kept)
		}
		return nil
	}
	programs.Await(t, "/readyz over TLS", func() error {
		return get("https://"+q.Listening("admin")+"/readyz", "HTTP/2.0", false)
	})
	api := q.Listening("api")
	if err := get("https://"+api+documentedTop, "HTTP/2.0", true); err != nil {
		t.Errorf("over TLS: %v", err)
	}
	if _, err := tls.Dial("tcp", api, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if res, err := http.Get("http://" + api + documentedTop); err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("in the clear: %d", res.StatusCode)
		}
	}

	writeCertificate(t, 2, certFile, keyFile)
	for _, name := range []string{"api", "admin"} {
		programs.Await(t, "the new certificate of "+name, func() error {
			serial, err := presented(q.Listening(name))
			if err == nil && serial != 2 {
				err = fmt.Errorf("it presents certificate %d", serial)
			}
			return err
		})
	}
	writeFile(t, keyFile, "no key")
	programs.Await(t, "the broken file to be noticed", func() error {
		if serial, err := presented(api); serial != 2 {
			t.Fatalf("it presents certificate %d, %v", serial, err)
		}
		if !strings.Contains(q.Log(), "the changed certificate cannot be used") {
			return errors.New("it is not")
		}
		return nil
	})
	if err := get("https://"+api+documentedTop, "HTTP/2.0", true); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
}

func TestQueryAnswersPreflightsOfItsOriginsWithoutCredentials(t *testing.T) {
	q := startQuery(t, "--cors-origins", "https://shop.example,https://*.acme.example")
	for origin, allowed := range map[string]string{
		"https://shop.example": "https://shop.example", "https://eu.acme.example": "https://eu.acme.example", "https://stranger.example": "",
	} {
		preflight := q.ask(queryRequest{method: http.MethodOptions, path: documentedTop, client: "-", headers: map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization",
		}})
		if got := preflight.header.Get("Access-Control-Allow-Origin"); got != allowed || preflight.status != http.StatusNoContent {
			t.Errorf("the preflight of %s: %d, allowed %q", origin, preflight.status, got)
		}
		if got := q.ask(queryRequest{path: documentedTop, headers: map[string]string{"Origin": origin}}).header.Get("Access-Control-Allow-Origin"); got != allowed {
			t.Errorf("the request of %s: allowed %q", origin, got)
		}
	}
}

func TestQuerySendsTheSameWithGzip(t *testing.T) {
	q := startQuery(t)
	plain := q.ask(queryRequest{path: documentedTop, headers: map[string]string{"Accept-Encoding": "identity"}})
	packed := q.ask(queryRequest{path: documentedTop, headers: map[string]string{"Accept-Encoding": "gzip"}})
	if plain.header.Get("Content-Encoding") != "" || packed.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("encoded with %q and %q", plain.header.Get("Content-Encoding"), packed.header.Get("Content-Encoding"))
	}
	reader, err := gzip.NewReader(strings.NewReader(packed.body))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(reader)
	if err != nil || string(unpacked) != plain.body {
		t.Errorf("unpacked (%v) it is %s", err, unpacked)
	}
	t.Logf("%d bytes, %d with gzip", len(plain.body), len(packed.body))
	held := q.ask(queryRequest{path: documentedTop, headers: map[string]string{"If-None-Match": packed.header.Get("ETag")}})
	if held.status != http.StatusNotModified || held.body != "" {
		t.Errorf("an answer that is held: %d %s", held.status, held.body)
	}
}

func TestQueryLogsRequestsWithoutTheirUsers(t *testing.T) {
	q := startQuery(t, "--access-log", "on")
	res := q.ask(queryRequest{path: prefix + rankPath + "381329847?email=user@example.com"})
	var line struct {
		Msg, Route, Method, Client string
		RequestID                  string `json:"request_id"`
		Status, Bytes              int
		DurationSeconds            float64 `json:"duration_seconds"`
	}
	programs.Await(t, "the line of the request", func() error {
		for text := range strings.Lines(q.Log()) {
			if json.Unmarshal([]byte(text), &line) == nil && line.RequestID == res.header.Get("X-Request-ID") {
				return nil
			}
		}
		return errors.New("there is none")
	})
	if line.Msg != "request" || line.Route != rankPath+"{userId}" || line.Method != http.MethodGet || line.Client != "acme" ||
		line.Status != 200 || line.Bytes != len(res.body) || line.DurationSeconds <= 0 {
		t.Errorf("the line is %+v", line)
	}
	for _, personal := range []string{"381329847", "user@example.com"} {
		if strings.Contains(q.Log(), personal) {
			t.Errorf("the log holds %s", personal)
		}
	}
}
