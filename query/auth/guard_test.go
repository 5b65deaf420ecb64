package auth

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) {
	hashCost = bcrypt.MinCost
	os.Exit(m.Run())
}

// noon is the time at which guards of these tests are made.
var noon = time.Date(2024, time.June, 24, 12, 0, 0, 0, time.UTC)

// testGuard is a guard with a clock that is set by hand.
type testGuard struct {
	*Guard
	t   *testing.T
	at  time.Time
	log strings.Builder
}

func newTestGuard(t *testing.T, cfg Config) *testGuard {
	t.Helper()
	g := &testGuard{t: t, at: noon}
	cfg.Now = func() time.Time { return g.at }
	cfg.Log = slog.New(slog.NewTextHandler(&g.log, nil))
	var err error
	if g.Guard, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	g.nobody = newAccount(Client{SecretHash: cheap(t, "nobody")}, nil, 0)
	return g
}

// cheap is a hash of the secret that takes no time.
func cheap(t *testing.T, secret string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// longSecret is as long as a secret may be.
func longSecret(id string) string { return id + strings.Repeat("-", MaxSecretBytes-len(id)) }

// twoClients are a and b, whose secrets begin with their ids.
func twoClients(t *testing.T) *Clients {
	t.Helper()
	c := new(Clients)
	for _, id := range []string{"a", "b"} {
		c.clients = append(c.clients, Client{ID: id, OrgID: 1, SecretHash: cheap(t, longSecret(id)), Access: allAccess})
	}
	return c
}

// home is where requests of these tests come from.
const home = "192.0.2.1"

// request comes from the address.
func request(address string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = net.JoinHostPort(address, "4711")
	return r
}

func (g *testGuard) signInFrom(address, id, secret string) (*Caller, error) {
	return g.SignIn(g.t.Context(), request(address), id, secret)
}

func (g *testGuard) expectClient(id, secret string) {
	g.t.Helper()
	caller, err := g.signInFrom(home, id, secret)
	if err != nil || caller.ID != id {
		g.t.Errorf("%q with its secret %q: %+v, %v", id, secret, caller, err)
	}
}

func (g *testGuard) expectRefused(id, secret string) {
	g.t.Helper()
	if _, err := g.signInFrom(home, id, secret); !errors.Is(err, ErrRefused) {
		g.t.Errorf("%q with %q: %v", id, secret, err)
	}
}

func TestGuardKnowsItsClients(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	for range 2 { // the second time from memory
		g.at = g.at.Add(time.Minute)
		g.expectClient("a", longSecret("a"))
		g.expectClient("b", longSecret("b"))
		g.expectRefused("a", longSecret("b"))
		g.expectRefused("a", longSecret("a")+"-") // bcrypt alone would not see the end
		g.expectRefused("a", "a")
		g.expectRefused("a", "")
		g.expectRefused("", longSecret("a"))
		g.expectRefused("c", longSecret("a"))
	}
}

// block puts bcrypt out of reach for the client.
func (g *testGuard) block(id string) (release func()) {
	hashing := (*g.accounts.Load())[id].hashing
	hashing <- struct{}{}
	return func() { <-hashing }
}

// isFromMemory tells whether the secret of a is accepted without bcrypt.
func (g *testGuard) isFromMemory(secret string) bool {
	g.t.Helper()
	defer g.block("a")()
	ended, cancel := context.WithCancel(g.t.Context())
	cancel()
	_, err := g.SignIn(ended, request(home), "a", secret)
	if err != nil && !errors.Is(err, context.Canceled) {
		g.t.Errorf("while bcrypt is busy: %v", err)
	}
	return err == nil
}

func TestGuardAsksBcryptOnceInALifetime(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	secret := longSecret("a")
	if g.isFromMemory(secret) {
		t.Error("the first time was from memory")
	}
	g.expectClient("a", secret)
	if !g.isFromMemory(secret) || g.isFromMemory("wrong") {
		t.Error("what was accepted before is not from memory, or something else is")
	}
	g.at = noon.Add(proofLifetime - 1)
	if !g.isFromMemory(secret) {
		t.Error("not from memory at the end of the lifetime")
	}
	g.at = noon.Add(proofLifetime)
	if g.isFromMemory(secret) {
		t.Error("from memory after the lifetime")
	}
}

func TestRotatedSecretIsAcceptedForItsGraceTime(t *testing.T) {
	clients := twoClients(t)
	expires := noon.Add(24 * time.Hour)
	if err := clients.Rotate("a", "second", noon, expires); err != nil {
		t.Fatal(err)
	}
	g := newTestGuard(t, Config{Clients: clients})
	for range 2 {
		g.expectClient("a", longSecret("a"))
		g.expectClient("a", "second")
		g.expectRefused("a", "third")
	}
	g.at = expires.Add(-1)
	g.expectClient("a", longSecret("a"))
	g.at = expires
	g.expectRefused("a", longSecret("a"))
	g.expectClient("a", "second")
}

// clientsOnDisk is a clients file and a guard of it.
func clientsOnDisk(t *testing.T, cfg Config) (*testGuard, *Clients, string) {
	t.Helper()
	clients := twoClients(t)
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	cfg.ClientsFile = path
	return newTestGuard(t, cfg), clients, path
}

// poll lets the guard look at its files.
func (g *testGuard) poll() {
	for _, f := range g.files {
		f.poll()
	}
}

func TestGuardFollowsItsClientsFile(t *testing.T) {
	g, clients, path := clientsOnDisk(t, Config{RateLimit: 1})
	g.expectClient("a", longSecret("a"))
	g.expectClient("b", longSecret("b"))
	a := (*g.accounts.Load())["a"]
	if a.Delay(noon) != 0 || a.Delay(noon) == 0 {
		t.Fatal("the limit is not one request")
	}

	clients.clients = append(clients.clients, Client{ID: "c", OrgID: 3, SecretHash: cheap(t, "c"), Access: []Access{AccessTop}})
	if err := clients.Remove("b"); err != nil {
		t.Fatal(err)
	}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.expectRefused("c", "c")
	g.expectClient("b", longSecret("b"))
	g.poll()
	g.expectClient("c", "c")
	g.expectRefused("b", longSecret("b"))
	if !g.isFromMemory(longSecret("a")) {
		t.Error("a client that stayed as it was has to prove itself again")
	}
	if (*g.accounts.Load())["a"].Delay(noon) == 0 {
		t.Error("a client that stayed as it was has its rate anew")
	}
}

func TestSecretThatWasTakenAwayIsNotRemembered(t *testing.T) {
	g, clients, path := clientsOnDisk(t, Config{})
	g.expectClient("a", longSecret("a"))
	clients.clients[0].SecretHash = cheap(t, "second")
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	g.expectRefused("a", longSecret("a"))
	g.expectClient("a", "second")
}

func TestGuardKeepsItsClientsWhenTheFileIsBroken(t *testing.T) {
	g, clients, path := clientsOnDisk(t, Config{})
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(path, []byte(`{"clients":[{"id":"c"`), 0o600) },
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.Remove(path) },
	} {
		g.log.Reset()
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		g.poll()
		g.poll()
		g.expectClient("a", longSecret("a"))
		if said := g.log.String(); strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, path) {
			t.Errorf("the log says not once what is wrong: %q", said)
		}
		if got := gaugeOf(t, g.files[0].current); got != 0 {
			t.Errorf("a broken file is current: %v", got)
		}
	}
	if err := clients.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	g.expectRefused("a", longSecret("a"))
	if got := gaugeOf(t, g.files[0].current); got != 1 {
		t.Errorf("a file that was mended is not current: %v", got)
	}
}

// A file that comes back as it was is in force again.
func TestGuardSeesThatTheFileIsBackAsItWas(t *testing.T) {
	g, clients, path := clientsOnDisk(t, Config{})
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	g.poll()
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	if got := gaugeOf(t, g.files[0].current); got != 1 {
		t.Errorf("current is %v", got)
	}
}

func TestDelayFollowsTheRate(t *testing.T) {
	c := &Caller{limiter: newLimiter(4)}
	for i, want := range []time.Duration{0, 0, 0, 0, 250 * time.Millisecond, 250 * time.Millisecond} {
		if got := c.Delay(noon); got != want {
			t.Errorf("request %d waits %s, want %s", i+1, got, want)
		}
	}
	if got := c.Delay(noon.Add(250 * time.Millisecond)); got != 0 {
		t.Errorf("a quarter of a second later: %s", got)
	}
	if got := c.Delay(noon.Add(300 * time.Millisecond)); got != 200*time.Millisecond {
		t.Errorf("then: %s", got)
	}
}
