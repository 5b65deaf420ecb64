package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis are the settings of the store, with the flag prefix redis- and the
// environment prefix REDIS_.
type Redis struct {
	Addrs            []string `env:"ADDRS" default:"127.0.0.1:6379" placeholder:"HOST:PORT" help:"Servers (${default}). Several are nodes of a cluster, or the sentinels of --redis-sentinel-master."`
	Cluster          bool     `env:"CLUSTER" help:"The one address is the entry to a cluster."`
	SentinelMaster   string   `env:"SENTINEL_MASTER" placeholder:"NAME" help:"Ask the servers, which are sentinels, for the master of this name."`
	SentinelUsername string   `env:"SENTINEL_USERNAME" placeholder:"NAME" help:"User to sign in as at the sentinels."`
	SentinelPassword string   `env:"SENTINEL_PASSWORD" placeholder:"SECRET" help:"That user's password; better given by the environment."`
	Username         string   `env:"USERNAME" placeholder:"NAME" help:"User to sign in as."`
	Password         string   `env:"PASSWORD" placeholder:"SECRET" help:"The user's password; better given by the environment."`
	DB               int      `name:"db" env:"DB" default:"0" placeholder:"N" help:"Database number (${default}); a cluster has only 0."`
	TLS              TLS      `embed:""`
}

// Check names what is wrong with the settings.
func (r *Redis) Check() error {
	_, err := r.TLS.config("redis")
	mistakes := []error{err, checkAddresses("redis-addrs", r.Addrs)}
	cluster := r.Cluster || (len(r.Addrs) > 1 && r.SentinelMaster == "")
	if r.DB < 0 || (r.DB > 0 && cluster) {
		mistakes = append(mistakes, Mistakenf("redis-db", "%d is not a database of the server; a cluster has only 0", r.DB))
	}
	if r.Cluster && r.SentinelMaster != "" {
		mistakes = append(mistakes, Mistakenf("redis-cluster", "does not go with --redis-sentinel-master"))
	}
	if r.SentinelMaster == "" && (r.SentinelUsername != "" || r.SentinelPassword != "") {
		mistakes = append(mistakes, Mistakenf("redis-sentinel-master", "is missing; the sentinels' user and password need it"))
	}
	return errors.Join(mistakes...)
}

// ForTransactions tunes a client for the projector. It tries again by itself, and
// what it sends begins with the EXEC of what it sent before: that is not to wait in
// a buffer.
func ForTransactions(o *redis.UniversalOptions) { o.MaxRetries, o.WriteBufferSize = -1, 4096 }

// Client makes a client of the servers that the settings name. It connects when
// it is used. The caller closes it.
func (r *Redis) Client(clientName string, tune ...func(*redis.UniversalOptions)) (redis.UniversalClient, error) {
	tlsConfig, err := r.TLS.config("redis")
	if err != nil {
		return nil, err
	}
	options := &redis.UniversalOptions{
		Addrs:                    r.Addrs,
		ClientName:               clientName,
		DB:                       r.DB,
		Username:                 r.Username,
		Password:                 r.Password,
		SentinelUsername:         r.SentinelUsername,
		SentinelPassword:         r.SentinelPassword,
		MasterName:               r.SentinelMaster,
		IsClusterMode:            r.Cluster,
		TLSConfig:                tlsConfig,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	for _, t := range tune {
		t(options)
	}
	return redis.NewUniversalClient(options), nil
}

// logRedis sends what go-redis has to say about its connections to the log; what
// matters of it comes back as errors of the commands too.
func logRedis(log *slog.Logger) { redis.SetLogger(redisLogger{log}) }

type redisLogger struct{ log *slog.Logger }

func (l redisLogger) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "detail", fmt.Sprintf(format, args...))
}
