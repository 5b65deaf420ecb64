// Command query answers the leaderboard's HTTP API from Redis.
package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // organisations' time zones, on images that have none

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/query"
	"leaderboard/query/page"
)

// version is stamped by the linker.
var version string

const name = "query"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type settings struct {
	Redis           daemon.Redis       `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Listen          string             `env:"LISTEN" default:":8080" placeholder:"HOST:PORT" help:"Where the API is (${default})."`
	Admin           string             `env:"ADMIN_LISTEN" default:":8081" placeholder:"HOST:PORT" help:"Where /metrics, /healthz and /readyz are (${default})."`
	TLS             daemon.ServerTLS   `embed:""`
	AdminTLS        daemon.ServerTLS   `embed:"" prefix:"admin-" envprefix:"ADMIN_"`
	Credentials     daemon.Credentials `embed:""`
	RateLimit       float64            `env:"RATE_LIMIT" default:"0" placeholder:"N" help:"Requests a second that one client may make; 0 is no limit (${default})."`
	MaxConcurrent   int                `env:"MAX_CONCURRENT" default:"1000" placeholder:"N" help:"Requests to answer at once; those above are refused with 503 (${default})."`
	MaxStreams      int                `env:"MAX_STREAMS" default:"1000" placeholder:"N" help:"Streams of boards to have open at once; those above are refused with 503 (${default})."`
	Page            bool               `env:"PAGE" help:"Serve the page at / on which people see a board live. Who uses it signs in as a client."`
	CORSOrigins     []string           `env:"CORS_ORIGINS" placeholder:"ORIGIN" help:"Origins of the pages that may call from a browser, such as https://shop.example or https://*.shop.example; several separated by commas. None without it."`
	RequestTimeout  time.Duration      `env:"REQUEST_TIMEOUT" default:"5s" placeholder:"TIME" help:"Longest time for one answer (${default})."`
	ShutdownTimeout time.Duration      `env:"SHUTDOWN_TIMEOUT" default:"20s" placeholder:"TIME" help:"Longest time to finish after the signal to end (${default})."`
	Log             daemon.Log         `embed:"" set:"log_level=info"`
	AccessLog       string             `env:"ACCESS_LOG" default:"errors" placeholder:"WHICH" help:"Requests to log: on (all), errors (5xx, and those of a second or longer) or off (${default})."`
	Tracing         daemon.Tracing     `embed:""`
	Version         kong.VersionFlag   `help:"Print the version."`
}

// Check names every wrong setting.
func (s *settings) Check() error {
	mistakes := []error{
		s.Redis.Check(), s.Log.Check(), s.Credentials.Check(), s.TLS.Check(""), s.AdminTLS.Check("admin-"), s.Tracing.Check(),
		daemon.CheckOrigins("cors-origins", s.CORSOrigins),
		daemon.CheckPositive("max-concurrent", s.MaxConcurrent),
		daemon.CheckPositive("max-streams", s.MaxStreams),
		daemon.CheckAddress("listen", s.Listen),
		daemon.CheckAddress("admin", s.Admin),
		daemon.CheckPositive("request-timeout", s.RequestTimeout),
		daemon.CheckPositive("shutdown-timeout", s.ShutdownTimeout),
	}
	if err := query.AccessLog(s.AccessLog).Check(); err != nil {
		mistakes = append(mistakes, daemon.Mistakenf("access-log", "%v", err))
	}
	if s.RateLimit < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("rate-limit", "%v is negative", s.RateLimit))
	}
	return errors.Join(mistakes...)
}

// garbagePercent is how much garbage, in percent of what is in use, may gather before
// it is collected, unless GOGC says otherwise. An answer leaves some KB behind, while
// little is kept: collecting less often costs some tens of MB at most.
const garbagePercent = 400

func run(args []string, stdout, stderr io.Writer) int {
	var s settings
	parsed, err := daemon.Parse(&s, name, "Answers the leaderboard's HTTP API from Redis.", daemon.Version(version), args, stdout)
	switch {
	case err != nil:
		return daemon.Usage(name, stderr, err)
	case parsed.Done:
		return daemon.ExitOK
	}
	return daemon.Main(name, s.ShutdownTimeout, stderr, func(ctx context.Context) error { return serve(ctx, &s, stderr) })
}

func serve(ctx context.Context, s *settings, stderr io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	log := s.Log.Logger(stderr)
	daemon.LimitMemory(log)
	store, err := s.Redis.Client(name)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	tracer, err := s.Tracing.Start(ctx, name, daemon.Version(version), log)
	if err != nil {
		return err
	}
	defer tracer.Close()
	if err := tracer.TraceRedis(store); err != nil {
		return err
	}
	api, err := s.TLS.Listen("api", "--listen (LISTEN)", s.Listen, log)
	if err != nil {
		return err
	}
	issuers, err := s.Credentials.Issuers()
	if err != nil {
		return err
	}
	proxies, err := s.Credentials.Proxies()
	if err != nil {
		return err
	}
	var shown http.Handler
	if s.Page {
		if shown, err = page.New(page.SignIn{}); err != nil {
			return err
		}
	}
	registry := daemon.NewRegistry(daemon.Version(version))
	daemon.MeasureRedis(store, registry)
	service, err := daemon.NewQuery(query.Config{
		Redis:          store,
		ClientsFile:    s.Credentials.ClientsFile,
		TokenKeyFile:   s.Credentials.TokenKeyFile,
		Issuers:        issuers,
		Proxies:        proxies,
		RequestTimeout: s.RequestTimeout,
		RateLimit:      s.RateLimit,
		MaxConcurrent:  s.MaxConcurrent,
		MaxStreams:     s.MaxStreams,
		Page:           shown,
		CORSOrigins:    s.CORSOrigins,
		AccessLog:      query.AccessLog(s.AccessLog),
		Log:            log,
		Registerer:     registry,
	}, api, tracer)
	if err != nil {
		return err
	}
	admin, err := s.AdminTLS.Listen("admin", "--admin (ADMIN_LISTEN)", s.Admin, log)
	if err != nil {
		return err
	}
	return daemon.Serve(ctx, admin, registry, log, service)
}
