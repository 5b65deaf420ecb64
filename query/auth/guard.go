package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrRefused says that a request has no credentials, or wrong ones.
var ErrRefused = errors.New("no or wrong credentials")

// Config is what a [Guard] is made of.
type Config struct {
	// ClientsFile holds the clients, unless Clients has them.
	ClientsFile string
	Clients     *Clients
	// RateLimit is how many requests a second each caller may send; 0 is no limit.
	RateLimit float64
	Now       func() time.Time
	Log       *slog.Logger
	// Registerer may be nil: then the metrics are kept, but nowhere registered.
	Registerer prometheus.Registerer
}

// Guard finds out who calls. It is safe for concurrent use.
type Guard struct {
	now       func() time.Time
	rateLimit float64
	accounts  atomic.Pointer[map[string]*account]
	// nobody stands in for an unknown client, so that it takes as long as a wrong secret.
	nobody *account
	// digests are keyed hashes. The key is of this process alone, so that a digest
	// in memory is of no use elsewhere.
	digests sync.Pool
	files   []*watchedFile
}

// nobodyHash is of a random secret that was thrown away, at the cost of [Clients.Add].
const nobodyHash = "$2a$10$pIqRBoZiSGEosaKopu5sTO9l7GJ.94GI1kgQIpStDp5XclheCaAXq"

// New makes a Guard; it reads the files.
func New(cfg Config) (*Guard, error) {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	g := &Guard{
		now:       cfg.Now,
		rateLimit: cfg.RateLimit,
		nobody:    newAccount(Client{SecretHash: nobodyHash}, nil, 0),
		digests:   sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
	}
	m := newMetrics(cfg.Registerer)
	if cfg.Clients != nil {
		g.admit(cfg.Clients)
	} else {
		g.files = append(g.files, &watchedFile{
			name: "the clients file", path: cfg.ClientsFile, use: g.useClients,
			log: cfg.Log, current: m.filesCurrent.WithLabelValues("clients"),
		})
	}
	for _, f := range g.files {
		if err := f.read(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *Guard) useClients(data []byte) error {
	clients, err := parseClients(data)
	if err != nil {
		return err
	}
	g.admit(clients)
	return nil
}

// admit makes these the clients from now on.
func (g *Guard) admit(clients *Clients) {
	before := map[string]*account{}
	if known := g.accounts.Load(); known != nil {
		before = *known
	}
	accounts := make(map[string]*account, len(clients.clients))
	for _, client := range clients.clients {
		accounts[client.ID] = newAccount(client, before[client.ID], g.rateLimit)
	}
	g.accounts.Store(&accounts)
}

// pollInterval is the time between two looks at the files.
const pollInterval = time.Second

// Run keeps what the guard knows fresh until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, f := range g.files {
			f.poll()
		}
	}
}

// Authenticate finds the caller by the request's credentials, or says [ErrRefused],
// or that ctx ended first.
func (g *Guard) Authenticate(ctx context.Context, r *http.Request) (*Caller, error) {
	id, secret, _ := r.BasicAuth()
	return g.SignIn(ctx, id, secret)
}

// SignIn finds the client by its secret; for the errors see [Guard.Authenticate].
func (g *Guard) SignIn(ctx context.Context, id, secret string) (*Caller, error) {
	if id == "" || secret == "" || len(secret) > MaxSecretBytes {
		return nil, ErrRefused
	}
	a, known := (*g.accounts.Load())[id]
	if !known {
		a = g.nobody
	}
	now, digest := g.now(), g.digest(secret)
	if !a.isProven(digest, now) {
		if err := a.prove(ctx, secret, digest, now); err != nil {
			return nil, err
		}
	}
	if !known {
		return nil, ErrRefused
	}
	return &a.Caller, nil
}

func (g *Guard) digest(secret string) []byte {
	mac := g.digests.Get().(hash.Hash)
	defer g.digests.Put(mac)
	mac.Reset()
	mac.Write([]byte(secret))
	return mac.Sum(make([]byte, 0, sha256.Size))
}
