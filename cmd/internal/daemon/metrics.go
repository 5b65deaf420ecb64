package daemon

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
)

// NewRegistry makes a registry with the metrics of the process in it, and its
// version as [Version] tells it.
func NewRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name:        "leaderboard_build_info",
		Help:        "1, for the version of the program.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}).Set(1)
	return registry
}

// measureReady tells with every scrape what /readyz tells.
func measureReady(registerer prometheus.Registerer, services []Service) {
	promauto.With(registerer).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "leaderboard_ready",
		Help: "1 when /readyz answers that nothing is missing, else 0.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		if len(missing(ctx, services)) > 0 {
			return 0
		}
		return 1
	})
}

// MeasureRedis measures how long the client's requests take.
func MeasureRedis(client redis.UniversalClient, registerer prometheus.Registerer) {
	hook := redisHook{promauto.With(registerer).NewHistogram(prometheus.HistogramOpts{
		Name:    "leaderboard_redis_request_duration_seconds",
		Help:    "Time from a request to Redis, of one command or of a pipeline, to all of its answer; the wait for a connection is in it.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17),
	})}
	if cluster, ok := client.(*redis.ClusterClient); ok {
		// What is sent to a node by its own client passes the cluster's hooks by.
		cluster.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
		return
	}
	client.AddHook(hook)
}

type redisHook struct{ duration prometheus.Observer }

func (h redisHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h redisHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer h.observe(time.Now())
		return next(ctx, cmd)
	}
}

func (h redisHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		defer h.observe(time.Now())
		return next(ctx, cmds)
	}
}

func (h redisHook) observe(start time.Time) { h.duration.Observe(time.Since(start).Seconds()) }
