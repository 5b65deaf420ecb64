package query

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func newTestGuard(t *testing.T, perSecond float64) *guard {
	t.Helper()
	var clients Clients
	for _, id := range []string{"a", "b"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(id+strings.Repeat("-", 71)), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		clients.clients = append(clients.clients, Client{ID: id, OrgID: 1, SecretHash: string(hash)})
	}
	return newGuard(&clients, perSecond)
}

func TestGuardKnowsItsClients(t *testing.T) {
	g := newTestGuard(t, 0)
	secret := strings.Repeat("-", 71)
	for range 2 { // the second time from memory
		for _, c := range []struct {
			id, secret string
			ok         bool
		}{
			{"a", "a" + secret, true},
			{"b", "b" + secret, true},
			{"a", "b" + secret, false},
			{"a", "a" + secret + "-", false}, // bcrypt alone would not see the end
			{"a", "a", false},
			{"a", "", false},
			{"", "a" + secret, false},
			{"c", "a" + secret, false},
		} {
			client, err := g.authenticate(t.Context(), c.id, c.secret)
			switch {
			case c.ok && (err != nil || client.ID != c.id):
				t.Errorf("%q with its secret: %v", c.id, err)
			case !c.ok && !errors.Is(err, errWrongCredentials):
				t.Errorf("%q with %q: %v", c.id, c.secret, err)
			}
		}
	}
}

func TestGuardAsksBcryptOnceForEachClient(t *testing.T) {
	g := newTestGuard(t, 0)
	secret := "a" + strings.Repeat("-", 71)
	if _, err := g.authenticate(t.Context(), "a", secret); err != nil {
		t.Fatal(err)
	}
	g.accounts["a"].hashing <- struct{}{} // from here on bcrypt is out of reach
	if _, err := g.authenticate(t.Context(), "a", secret); err != nil {
		t.Errorf("a secret that was accepted before: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.authenticate(ended, "a", "wrong"); !errors.Is(err, context.Canceled) {
		t.Errorf("a wrong secret while bcrypt is busy: %v", err)
	}
}

func TestDelayFollowsTheRate(t *testing.T) {
	a := newTestGuard(t, 4).accounts["a"]
	start := time.Date(2024, time.June, 24, 12, 0, 0, 0, time.UTC)
	for i, want := range []time.Duration{0, 0, 0, 0, 250 * time.Millisecond, 250 * time.Millisecond} {
		if got := a.delay(start); got != want {
			t.Errorf("request %d waits %s, want %s", i+1, got, want)
		}
	}
	if got := a.delay(start.Add(250 * time.Millisecond)); got != 0 {
		t.Errorf("a quarter of a second later: %s", got)
	}
	if got := a.delay(start.Add(300 * time.Millisecond)); got != 200*time.Millisecond {
		t.Errorf("then: %s", got)
	}
}
