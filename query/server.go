package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"leaderboard/query/auth"
)

// Defaults of [Config].
const (
	DefaultRefreshInterval       = 500 * time.Millisecond
	DefaultRequestTimeout        = 5 * time.Second
	DefaultMaxBodyBytes    int64 = 64 << 10
	DefaultMaxConcurrent         = 1000
	DefaultMaxStreams            = 1000
	DefaultAccessLog             = AccessLogErrors
)

// Config is what a [Server] is made of.
type Config struct {
	// Redis holds the boards. It must honour the deadlines of contexts.
	Redis redis.UniversalClient
	// ClientsFile is read by [New] when Clients is nil, and again when it changes.
	ClientsFile string
	Clients     *auth.Clients
	// TokenKeyFile, TokenKeys, Issuers and Proxies are those of [auth.Config].
	TokenKeyFile string
	TokenKeys    *auth.TokenKeys
	Issuers      []auth.Issuer
	Proxies      auth.Proxies
	// Now decides which period is running; nil is time.Now.
	Now func() time.Time
	// RefreshInterval is the time between two looks at the catalog in Redis; 0 is
	// [DefaultRefreshInterval].
	RefreshInterval time.Duration
	// RequestTimeout bounds one answer, Redis included; 0 is [DefaultRequestTimeout].
	RequestTimeout time.Duration
	// MaxBodyBytes bounds a request's body; 0 is [DefaultMaxBodyBytes].
	MaxBodyBytes int64
	// MaxConcurrent is how many requests are answered at once, above which they are
	// refused with 503; 0 is [DefaultMaxConcurrent].
	MaxConcurrent int
	// MaxStreams is how many streams are open at once, above which they are refused
	// with 503; 0 is [DefaultMaxStreams].
	MaxStreams int
	// Page is served at / and below /page/; nil for nothing there.
	Page http.Handler
	// CORSOrigins are those of the pages that may call from a browser, see
	// [CheckOrigin]; none when empty.
	CORSOrigins []string
	// AccessLog says which requests are logged; "" is [DefaultAccessLog].
	AccessLog AccessLog
	// RateLimit is how many requests a second each client may send; 0 is no limit.
	RateLimit float64
	// Log may be nil: then nothing is logged.
	Log *slog.Logger
	// Registerer may be nil: then the metrics are kept, but nowhere registered.
	Registerer prometheus.Registerer
}

// Server is the query service. It is safe for concurrent use.
type Server struct {
	now             func() time.Time
	refreshInterval time.Duration
	requestTimeout  time.Duration
	maxBodyBytes    int64
	corsOrigins     []string
	log             *slog.Logger
	accessLog       *accessLog
	// places has an element for each request that is being answered.
	places chan struct{}
	// streamPlaces has one for each stream, and broadcasts what they show. They end
	// when ended is closed.
	streamPlaces chan struct{}
	broadcasts   *broadcasts[topQuestion]
	ended        chan struct{}
	page         http.Handler
	metrics      *metrics
	guard        *auth.Guard
	store        *store
	catalog      *catalogReader
	tops         *shared[topQuestion]
	state        atomic.Pointer[state]
}

// New makes a Server; it reads the files, but does not talk to Redis.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		now:             cfg.Now,
		refreshInterval: cfg.RefreshInterval,
		requestTimeout:  cfg.RequestTimeout,
		maxBodyBytes:    cfg.MaxBodyBytes,
		corsOrigins:     cfg.CORSOrigins,
		log:             cfg.Log,
		accessLog:       newAccessLog(cfg.Log, cfg.AccessLog),
		places:          make(chan struct{}, cfg.MaxConcurrent),
		streamPlaces:    make(chan struct{}, cfg.MaxStreams),
		ended:           make(chan struct{}),
		page:            cfg.Page,
	}
	var err error
	if s.guard, err = auth.New(cfg.credentials()); err != nil {
		return nil, err
	}
	s.state.Store(&state{problem: errors.New("the catalog has not been read from Redis yet")})
	s.metrics = newMetrics(cfg.Registerer, s.catalogAge)
	s.store = &store{redis: cfg.Redis, lanes: newLanes(cfg.Redis, cfg.RequestTimeout), log: cfg.Log, metrics: s.metrics}
	s.tops = newShared(s.readTop)
	s.broadcasts = newBroadcasts(streamPause, s.tops.answer, s.renderEvent)
	s.catalog = &catalogReader{redis: cfg.Redis, log: cfg.Log}
	return s, nil
}

// complete fills in the defaults and names every mistake.
func (cfg *Config) complete() error {
	var problems []error
	if cfg.Redis == nil {
		problems = append(problems, errors.New("query: Config.Redis is missing"))
	}
	if cfg.Clients == nil && cfg.ClientsFile == "" {
		problems = append(problems, errors.New("query: neither Config.Clients nor Config.ClientsFile is set"))
	}
	if cfg.RefreshInterval < 0 || cfg.RequestTimeout < 0 || cfg.MaxBodyBytes < 0 || cfg.MaxConcurrent < 0 || cfg.MaxStreams < 0 || cfg.RateLimit < 0 {
		problems = append(problems, errors.New("query: RefreshInterval, RequestTimeout, MaxBodyBytes, MaxConcurrent, MaxStreams and RateLimit must not be negative"))
	}
	for _, origin := range cfg.CORSOrigins {
		if err := CheckOrigin(origin); err != nil {
			problems = append(problems, fmt.Errorf("query: Config.CORSOrigins: %w", err))
		}
	}
	cfg.AccessLog = cmp.Or(cfg.AccessLog, DefaultAccessLog)
	if err := cfg.AccessLog.Check(); err != nil {
		problems = append(problems, fmt.Errorf("query: Config.AccessLog: %w", err))
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RefreshInterval == 0 {
		cfg.RefreshInterval = DefaultRefreshInterval
	}
	if cfg.RequestTimeout == 0 {
		cfg.RequestTimeout = DefaultRequestTimeout
	}
	if cfg.MaxBodyBytes == 0 {
		cfg.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if cfg.MaxConcurrent == 0 {
		cfg.MaxConcurrent = DefaultMaxConcurrent
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = DefaultMaxStreams
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// credentials is what the guard is made of.
func (cfg *Config) credentials() auth.Config {
	return auth.Config{
		ClientsFile:  cfg.ClientsFile,
		Clients:      cfg.Clients,
		TokenKeyFile: cfg.TokenKeyFile,
		TokenKeys:    cfg.TokenKeys,
		Issuers:      cfg.Issuers,
		Proxies:      cfg.Proxies,
		RateLimit:    cfg.RateLimit,
		Now:          cfg.Now,
		Log:          cfg.Log,
		Registerer:   cfg.Registerer,
	}
}

// Run keeps the catalog and the boards' layout fresh from Redis, and the callers
// from their files, until ctx ends; then it ends the streams. It runs once.
// It survives Redis' absence: what was known stays known, see [Server.Ready].
func (s *Server) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	defer close(s.ended)
	watching.Go(func() { s.guard.Run(ctx) })
	ticker := time.NewTicker(s.refreshInterval)
	defer ticker.Stop()
	var audited *view
	for looks := 0; ; looks++ {
		s.refresh(ctx)
		if v := s.state.Load().view; v != nil && (v != audited || looks%auditEvery == 0) {
			s.audit(ctx, v)
			audited = v
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// auditEvery is how many looks at the catalog go by between two audits; a changed
// catalog is audited at once.
const auditEvery = 60

func (s *Server) audit(ctx context.Context, v *view) {
	ctx, cancel := context.WithTimeout(ctx, s.requestTimeout)
	defer cancel()
	if found, err := s.store.audit(ctx, v); err == nil {
		s.metrics.outdated.Set(float64(found.outdated))
		s.metrics.lastSync.Set(float64(found.lastSync) / 1000)
	}
}

// Ready is nil when the service can answer, else it says in one sentence what is missing.
func (s *Server) Ready() error { return s.state.Load().problem }
