package projector

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	applySeconds       prometheus.Histogram
	transactionEntries prometheus.Histogram
	fenceAhead         prometheus.Counter
	conflicts          prometheus.Counter
	redisErrors        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, generation int) *metrics {
	m := &metrics{
		applySeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_apply_duration_seconds",
			Help:    "Time to fold one batch into the boards.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		transactionEntries: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_transaction_entries",
			Help:    "Entries that one transaction has written; a board and an event id count as some.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 6),
		}),
		fenceAhead: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_fence_ahead_total",
			Help: "Times a fence was found ahead: a repeat, or another writer.",
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_conflicts_total",
			Help: "Transactions that were done again because another writer of the shard was faster.",
		}),
		redisErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_projector_redis_errors_total",
			Help: "Failed requests of the projector to Redis; each is tried again.",
		}),
	}
	written := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "leaderboard_projector_generation",
		Help: "Generation of boards that this projector writes.",
	})
	written.Set(float64(generation))
	reg.MustRegister(written, m.applySeconds, m.transactionEntries, m.fenceAhead, m.conflicts, m.redisErrors)
	return m
}
