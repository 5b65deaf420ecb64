package auth

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	filesCurrent *prometheus.GaugeVec
	keysCurrent  *prometheus.GaugeVec
	refused      *prometheus.CounterVec
	limited      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	m := &metrics{
		filesCurrent: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leaderboard_query_file_current",
			Help: "1 while what a file says is in force; 0 while it cannot be used and what it said before is.",
		}, []string{"file"}),
		keysCurrent: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leaderboard_query_issuer_keys_current",
			Help: "1 while an issuer's keys could be read the last time; 0 while those from before are used.",
		}, []string{"issuer"}),
		refused: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_query_credentials_refused_total",
			Help: "Secrets and tokens that were not accepted.",
		}, []string{"credentials"}),
		limited: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_query_credentials_limited_total",
			Help: "Secrets and tokens that were not accepted because too many before them had been wrong.",
		}, []string{"credentials"}),
	}
	for _, credentials := range []string{"secret", "token"} { // a rate wants a beginning
		m.refused.WithLabelValues(credentials)
		m.limited.WithLabelValues(credentials)
	}
	return m
}
