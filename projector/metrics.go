package projector

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	applySeconds     prometheus.Histogram
	scriptOperations prometheus.Histogram
	conflicts        prometheus.Counter
	redisErrors      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		applySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_apply_seconds",
			Help:    "Time to fold one batch into the boards.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		scriptOperations: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_script_operations",
			Help:    "Operations of one script call, after merging.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 6),
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_fence_ahead_total",
			Help: "Script calls that found the fence ahead: a repeat, or another writer.",
		}),
		redisErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_projector_redis_errors_total",
			Help: "Failed requests of the projector to Redis; each is tried again.",
		}),
	}
	reg.MustRegister(m.applySeconds, m.scriptOperations, m.conflicts, m.redisErrors)
	return m
}
