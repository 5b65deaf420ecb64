// Command projector folds the activities of Kafka into the boards in Redis.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
	_ "time/tzdata" // organisations' time zones, on images that have none

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
)

// version is stamped by the linker.
var version string

const name = "projector"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

type settings struct {
	Kafka           daemon.Kafka     `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Group           string           `name:"kafka-group" env:"KAFKA_GROUP" default:"leaderboard" placeholder:"NAME" help:"Consumer group (${default}); to that of a generation N above 1, -N is added, so that no two generations share one."`
	Redis           daemon.Redis     `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Admin           string           `env:"ADMIN_LISTEN" default:":8082" placeholder:"HOST:PORT" help:"Where /metrics, /healthz and /readyz are (${default})."`
	AdminTLS        daemon.ServerTLS `embed:"" prefix:"admin-" envprefix:"ADMIN_"`
	Generation      int              `env:"GENERATION" default:"1" placeholder:"N" help:"Generation of boards to write (${default})."`
	Shards          int              `env:"SHARDS" default:"16" placeholder:"N" help:"Shards of the generation when it has to be made (${default})."`
	DedupeWindow    time.Duration    `env:"DEDUPE_WINDOW" default:"24h" placeholder:"TIME" help:"Records with the same eventId, user and board that are published no further apart count once; 0 counts all (${default}). A generation keeps the one that it was begun with."`
	MaxBatchRecords int              `env:"MAX_BATCH_RECORDS" default:"8000" placeholder:"N" help:"Most records to apply at once (${default})."`
	RememberEntries int64            `env:"REMEMBER_ENTRIES" placeholder:"N" help:"Most entries to keep in memory; what is kept need not be read before it is written. Without it, what a third of the memory limit has room for (that of GOMEMLIMIT, or 9/10 of the container's), at most 4,000,000."`
	SyncInterval    time.Duration    `env:"SYNC_INTERVAL" default:"5s" placeholder:"TIME" help:"How often idle shards are brought up to date (${default})."`
	ShutdownTimeout time.Duration    `env:"SHUTDOWN_TIMEOUT" default:"20s" placeholder:"TIME" help:"Longest time to finish after the signal to end (${default})."`
	Log             daemon.Log       `embed:"" set:"log_level=info"`
	Tracing         daemon.Tracing   `embed:""`
	Version         kong.VersionFlag `help:"Print the version."`
}

// Check names every wrong setting.
func (s *settings) Check() error {
	mistakes := []error{
		s.Kafka.Check(), s.Redis.Check(), s.Log.Check(), daemon.CheckAddress("admin", s.Admin), s.AdminTLS.Check("admin-"), s.Tracing.Check(),
		daemon.CheckPositive("generation", s.Generation),
		daemon.CheckPositive("shards", s.Shards),
		daemon.CheckPositive("max-batch-records", s.MaxBatchRecords),
		daemon.CheckPositive("sync-interval", s.SyncInterval),
		daemon.CheckPositive("shutdown-timeout", s.ShutdownTimeout),
	}
	if s.DedupeWindow < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("dedupe-window", "%s is negative", s.DedupeWindow))
	}
	if s.RememberEntries < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("remember-entries", "%d is negative", s.RememberEntries))
	}
	if s.Group == "" {
		mistakes = append(mistakes, daemon.Mistakenf("kafka-group", "is empty"))
	}
	return errors.Join(mistakes...)
}

func run(args []string, stdout, stderr io.Writer) int {
	var s settings
	parsed, err := daemon.Parse(&s, name, "Folds the activities of Kafka into the boards in Redis.", daemon.Version(version), args, stdout)
	switch {
	case err != nil:
		return daemon.Usage(name, stderr, err)
	case parsed.Done:
		return daemon.ExitOK
	}
	return daemon.Main(name, s.ShutdownTimeout, stderr, func(ctx context.Context) error { return serve(ctx, &s, stderr) })
}

func serve(ctx context.Context, s *settings, stderr io.Writer) error {
	log := s.Log.Logger(stderr)
	daemon.LimitMemory(log)
	cluster, err := s.Kafka.Cluster(name)
	if err != nil {
		return err
	}
	store, err := s.Redis.Client(name, daemon.ForTransactions)
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
	registry := daemon.NewRegistry(daemon.Version(version))
	daemon.MeasureRedis(store, registry)
	service, err := daemon.NewProjector(daemon.ProjectorConfig{
		Cluster:         cluster,
		Topics:          s.Kafka.TopicNames(),
		Group:           daemon.GroupOf(s.Group, s.Generation),
		Partitions:      s.Kafka.Partitions,
		Redis:           store,
		Generation:      s.Generation,
		Shards:          s.Shards,
		DedupeWindow:    s.DedupeWindow,
		MaxBatchRecords: s.MaxBatchRecords,
		RememberEntries: s.RememberEntries,
		SyncInterval:    s.SyncInterval,
		Tracer:          tracer,
		Log:             log,
		Registerer:      registry,
	})
	if err != nil {
		return err
	}
	admin, err := s.AdminTLS.Listen("admin", "--admin (ADMIN_LISTEN)", s.Admin, log)
	if err != nil {
		return err
	}
	return daemon.Serve(ctx, admin, registry, log, service)
}
