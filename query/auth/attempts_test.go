package auth

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// expectLimited requires that the attempt is not looked at, and tells for how long.
func (g *testGuard) expectLimited(address, id, secret string) time.Duration {
	g.t.Helper()
	_, err := g.signInFrom(address, id, secret)
	limit, ok := errors.AsType[*LimitError](err)
	if !ok {
		g.t.Fatalf("%q with %q from %s: %v, want a limit", id, secret, address, err)
	}
	return limit.RetryAfter
}

// fail tries in vain until no more attempts are let through, and counts them.
func (g *testGuard) fail(address string, id func(i int) string) int {
	g.t.Helper()
	for i := range 1000 {
		if _, err := g.signInFrom(address, id(i), "wrong"); !errors.Is(err, ErrRefused) {
			return i
		}
	}
	g.t.Fatal("attempts are not limited")
	return 0
}

func always(id string) func(int) string { return func(int) string { return id } }

func TestFailedAttemptsOfAnAddressAreLimited(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	if got := g.fail(home, func(i int) string { return fmt.Sprint("stranger", i) }); got != 10 {
		t.Errorf("%d attempts, want 10", got)
	}
	if wait := g.expectLimited(home, "a", longSecret("a")); wait != 6*time.Second {
		t.Errorf("wait for %s", wait)
	}
	if _, err := g.signInFrom("192.0.2.2", "a", longSecret("a")); err != nil {
		t.Errorf("from another address: %v", err)
	}
	g.at = noon.Add(6*time.Second - 1)
	g.expectLimited(home, "a", longSecret("a"))
	g.at = noon.Add(6 * time.Second)
	g.expectClient("a", longSecret("a"))
	if got := gaugeOf(t, g.metrics.refused.WithLabelValues("secret")); got != 10 {
		t.Errorf("%v counted as refused", got)
	}
	if got := gaugeOf(t, g.metrics.limited.WithLabelValues("secret")); got != 3 {
		t.Errorf("%v counted as limited", got)
	}
}

func TestFailedAttemptsOfAClientAreLimited(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	for _, id := range []string{"a", "stranger"} { // one cannot tell which of them there is
		failed := 0
		for i := range 100 {
			failed += g.fail(fmt.Sprintf("198.51.%d.%d", len(id), i), always(id))
		}
		if failed != 30 {
			t.Errorf("%d attempts for %q, want 30", failed, id)
		}
		g.expectLimited("203.0.113.9", id, longSecret("a"))
	}
	g.expectClient("b", longSecret("b"))
}

func TestSuccessesAreNotLimited(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	for range 100 {
		g.expectClient("a", longSecret("a"))
	}
	if got := g.fail(home, always("b")); got != 10 {
		t.Errorf("%d attempts are left after the successes, want 10", got)
	}
}

// A flood for the client, from its own address too, does not keep it out.
func TestAFloodDoesNotKeepOutAClientThatHasProvenItself(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	g.expectClient("a", longSecret("a"))
	for i := range 10 {
		g.fail(fmt.Sprintf("198.51.100.%d", i), always("a"))
	}
	g.expectLimited("203.0.113.9", "a", longSecret("a"))
	g.fail(home, always("b"))
	g.expectClient("a", longSecret("a"))
	if got := g.fail(home, always("a")); got != 10 {
		t.Errorf("%d attempts from its own address, want 10", got)
	}
	g.expectClient("a", longSecret("a"))
	g.at = noon.Add(proofLifetime)
	g.fail(home, always("a"))
	g.expectClient("a", longSecret("a"))
}

// The first requests of a client may all come at once.
func TestManyAtOnceAreOneAttempt(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	release := g.block("a")
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { g.expectClient("a", longSecret("a")) })
	}
	release()
	all.Wait()
}

func TestForgedTokensAreLimited(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	refused := 0
	for refused < 1000 && errors.Is(g.present("forged"), ErrToken) {
		refused++
	}
	if refused != 100 {
		t.Errorf("%d forged tokens, want 100", refused)
	}
	limit, ok := errors.AsType[*LimitError](g.present("forged"))
	if !ok || limit.RetryAfter != 100*time.Millisecond {
		t.Errorf("then %+v", limit)
	}
	if err := g.present(g.token("a")); err != nil {
		t.Errorf("a good token: %v", err)
	}
	g.expectClient("a", longSecret("a"))
}
