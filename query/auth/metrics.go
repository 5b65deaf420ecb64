package auth

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	filesCurrent *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		filesCurrent: auto.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leaderboard_query_file_current",
			Help: "1 while what a file says is in force; 0 while it cannot be used and what it said before is.",
		}, []string{"file"}),
	}
}
