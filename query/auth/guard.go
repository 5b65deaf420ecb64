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

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// ErrRefused says that a request has no credentials, or wrong ones.
var ErrRefused = errors.New("no or wrong credentials")

// Config is what a [Guard] is made of.
type Config struct {
	// ClientsFile holds the clients, unless Clients has them.
	ClientsFile string
	Clients     *Clients
	// TokenKeyFile holds the keys of the service's own tokens, unless TokenKeys has
	// them. With neither a key is made that lasts as long as the process.
	TokenKeyFile string
	TokenKeys    *TokenKeys
	// Issuers are those whose tokens are accepted beside the service's own.
	Issuers []Issuer
	Proxies Proxies
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
	digests   sync.Pool
	attempts  *attempts
	proxies   Proxies
	tokenKeys atomic.Pointer[TokenKeys]
	issuers   map[string]*issuer
	// verified are tokens by their keyed hash.
	verified *lru.Cache[[sha256.Size]byte, *signedToken]
	files    []*watchedFile
	metrics  *metrics
}

// rememberedTokens is how many tokens are verified once.
const rememberedTokens = 1 << 14

// nobodyHash is of a random secret that was thrown away, at the cost of [Clients.Add].
const nobodyHash = "$2a$10$pIqRBoZiSGEosaKopu5sTO9l7GJ.94GI1kgQIpStDp5XclheCaAXq"

// New makes a Guard; it reads the files.
func New(cfg Config) (_ *Guard, err error) {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	g := &Guard{
		now:       cfg.Now,
		rateLimit: cfg.RateLimit,
		nobody:    newAccount(Client{SecretHash: nobodyHash}, nil, 0),
		digests:   sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		attempts:  newAttempts(),
		proxies:   cfg.Proxies,
		metrics:   newMetrics(cfg.Registerer),
	}
	if g.verified, err = lru.New[[sha256.Size]byte, *signedToken](rememberedTokens); err != nil {
		return nil, err
	}
	if g.issuers, err = newIssuers(cfg.Issuers, cfg.RateLimit, cfg.Log, g.metrics); err != nil {
		return nil, err
	}
	if cfg.Clients != nil {
		g.admit(cfg.Clients)
	} else {
		g.watch(&cfg, "the clients file", "clients", cfg.ClientsFile, g.useClients)
	}
	switch {
	case cfg.TokenKeys != nil:
		g.tokenKeys.Store(cfg.TokenKeys)
	case cfg.TokenKeyFile != "":
		g.watch(&cfg, "the token key file", "token_keys", cfg.TokenKeyFile, g.useTokenKeys)
	default:
		keys, err := NewTokenKeys()
		if err != nil {
			return nil, err
		}
		g.tokenKeys.Store(keys)
		cfg.Log.Warn("there is no token key file: tokens end with this process, and other instances do not accept them")
	}
	for _, f := range g.files {
		if err := f.read(); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (g *Guard) watch(cfg *Config, name, label, path string, use func([]byte) error) {
	g.files = append(g.files, &watchedFile{
		name: name, path: path, use: use,
		log: cfg.Log, current: g.metrics.filesCurrent.WithLabelValues(label),
	})
}

func (g *Guard) useTokenKeys(data []byte) error {
	keys, err := parseTokenKeys(data)
	if err != nil {
		return err
	}
	g.tokenKeys.Store(keys)
	return nil
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
	var looking sync.WaitGroup
	defer looking.Wait()
	for _, i := range g.issuers {
		looking.Go(func() { i.keys.run(ctx) })
	}
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

// Authenticate finds the caller by the request's token, or else its id and secret.
// The error is [ErrRefused], a [LimitError], or says that nothing can be said now.
func (g *Guard) Authenticate(ctx context.Context, r *http.Request) (*Caller, error) {
	token := tokenOf(r.Header)
	if token == "" {
		id, secret, _ := r.BasicAuth()
		return g.SignIn(ctx, r, id, secret)
	}
	caller, err := g.verify(ctx, token)
	if errors.Is(err, errForged) {
		if _, limit := g.attempts.tokens.take(g.proxies.address(r), g.now()); limit != nil {
			err = limit
		}
	}
	return caller, g.counted("token", err)
}

// SignIn finds the client by its secret; for the errors see [Guard.Authenticate].
func (g *Guard) SignIn(ctx context.Context, r *http.Request, id, secret string) (*Caller, error) {
	if id == "" || secret == "" {
		return nil, ErrRefused
	}
	caller, err := g.signIn(ctx, origin{id, g.proxies.address(r)}, secret)
	return caller, g.counted("secret", err)
}

func (g *Guard) signIn(ctx context.Context, from origin, secret string) (*Caller, error) {
	if len(from.id) > MaxIDBytes || len(secret) > MaxSecretBytes {
		return nil, ErrRefused
	}
	now := g.now()
	if err := g.attempts.check(from, now); err != nil {
		return nil, err
	}
	a, known := (*g.accounts.Load())[from.id]
	if !known {
		a = g.nobody
	}
	digest := g.digest(secret)
	if !a.isProven(digest, now) {
		if err := a.prove(ctx, secret, digest, now, func() (func(), error) { return g.attempts.take(from, now) }); err != nil {
			return nil, err
		}
	}
	if !known {
		return nil, ErrRefused
	}
	g.attempts.succeeded(from)
	return &a.Caller, nil
}

// counted counts an attempt that has failed.
func (g *Guard) counted(credentials string, err error) error {
	if _, limited := errors.AsType[*LimitError](err); limited {
		g.metrics.limited.WithLabelValues(credentials).Inc()
	} else if errors.Is(err, ErrRefused) {
		g.metrics.refused.WithLabelValues(credentials).Inc()
	}
	return err
}

func (g *Guard) digest(secret string) []byte {
	mac := g.digests.Get().(hash.Hash)
	defer g.digests.Put(mac)
	mac.Reset()
	mac.Write([]byte(secret))
	return mac.Sum(make([]byte, 0, sha256.Size))
}
