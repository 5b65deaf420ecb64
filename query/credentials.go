package query

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

var errWrongCredentials = errors.New("no or wrong credentials")

// guard knows the clients and tells who a caller is.
type guard struct {
	accounts map[string]*account
	// nobody stands in for an unknown client, so that it takes as long as a wrong secret.
	nobody *account
	// digests are keyed hashes. The key is of this process alone, so that a digest
	// in memory is of no use elsewhere.
	digests sync.Pool
}

// account is a client and what the service remembers of it.
type account struct {
	Client
	limiter *rate.Limiter
	// proven is the keyed digest of the secret, once bcrypt has accepted it:
	// bcrypt takes tens of milliseconds, far more than an answer.
	proven atomic.Pointer[[]byte]
	// hashing lets one request at a time run bcrypt for this client, so that
	// neither a flood of wrong secrets nor a cold start takes all processors.
	hashing chan struct{}
}

// nobodyHash is of a random secret that was thrown away, at the cost of [Clients.Add].
const nobodyHash = "$2a$10$pIqRBoZiSGEosaKopu5sTO9l7GJ.94GI1kgQIpStDp5XclheCaAXq"

func newGuard(clients *Clients, perSecond float64) *guard {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	g := &guard{
		accounts: make(map[string]*account, len(clients.clients)),
		nobody:   newAccount(Client{SecretHash: nobodyHash}, 0),
		digests:  sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
	}
	for _, client := range clients.clients {
		g.accounts[client.ID] = newAccount(client, perSecond)
	}
	return g
}

func newAccount(client Client, perSecond float64) *account {
	a := &account{Client: client, hashing: make(chan struct{}, 1)}
	if perSecond > 0 {
		a.limiter = rate.NewLimiter(rate.Limit(perSecond), int(max(1, math.Ceil(perSecond))))
	}
	return a
}

// authenticate finds the client, or says errWrongCredentials, or that ctx ended first.
func (g *guard) authenticate(ctx context.Context, id, secret string) (*account, error) {
	if id == "" || secret == "" || len(secret) > MaxSecretBytes {
		return nil, errWrongCredentials
	}
	a, known := g.accounts[id]
	if !known {
		a = g.nobody
	}
	if err := a.prove(ctx, secret, g.digest(secret)); err != nil {
		return nil, err
	}
	if !known {
		return nil, errWrongCredentials
	}
	return a, nil
}

func (g *guard) digest(secret string) []byte {
	mac := g.digests.Get().(hash.Hash)
	defer g.digests.Put(mac)
	mac.Reset()
	mac.Write([]byte(secret))
	return mac.Sum(make([]byte, 0, sha256.Size))
}

func (a *account) prove(ctx context.Context, secret string, digest []byte) error {
	if a.isProven(digest) {
		return nil
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.isProven(digest) {
		return nil
	}
	if bcrypt.CompareHashAndPassword([]byte(a.SecretHash), []byte(secret)) != nil {
		return errWrongCredentials
	}
	a.proven.Store(&digest)
	return nil
}

func (a *account) isProven(digest []byte) bool {
	proven := a.proven.Load()
	return proven != nil && hmac.Equal(*proven, digest)
}

// delay is how long the client has to wait before its next request; 0 lets this one pass.
func (a *account) delay(now time.Time) time.Duration {
	if a.limiter == nil {
		return 0
	}
	reservation := a.limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

func (a *account) may(access Access) bool { return slices.Contains(a.Access, access) }

// name is the client's id for the log; a request that failed before it was known has none.
func (a *account) name() string {
	if a == nil {
		return ""
	}
	return a.ID
}
