package query

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	overloads   prometheus.Counter
	panics      prometheus.Counter
	redisErrors prometheus.Counter
	outdated    prometheus.Gauge
	lastSync    prometheus.Gauge
	generation  prometheus.Gauge

	streams         prometheus.Gauge
	streamEvents    prometheus.Counter
	streamDrops     prometheus.Counter
	streamOverloads prometheus.Counter
}

// newMetrics registers the metrics; catalogAge is in seconds.
func newMetrics(reg prometheus.Registerer, catalogAge func() float64) *metrics {
	auto := promauto.With(reg)
	auto.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "leaderboard_query_catalog_age_seconds",
		Help: "Time since the catalog in memory was last known to be the one in Redis; +Inf before the first time.",
	}, catalogAge)
	return &metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_http_requests_total",
			Help: "HTTP requests answered.",
		}, []string{"route", "method", "status"}),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "leaderboard_http_request_duration_seconds",
			Help:    "Time to answer an HTTP request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"route"}),
		inFlight: auto.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_http_requests_in_flight",
			Help: "HTTP requests being answered.",
		}),
		overloads: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_http_overloads_total",
			Help: "HTTP requests refused because as many as may be were being answered.",
		}),
		panics: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_http_panics_total",
			Help: "HTTP requests that ended in a panic.",
		}),
		outdated: auto.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_boards_outdated",
			Help: "Boards folded under a catalog that has changed for them since; 'leaderboard verify --repair' makes them anew.",
		}),
		lastSync: auto.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_query_last_sync_timestamp_seconds",
			Help: "Latest lastSyncTime of all boards, looked at every 30 s; 0 while there is none.",
		}),
		generation: auto.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_query_generation",
			Help: "Generation of boards that is read; 0 while there is none.",
		}),
		redisErrors: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_query_redis_errors_total",
			Help: "Reads from Redis that failed.",
		}),
		streams: auto.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_streams_open",
			Help: "Streams of boards that are open.",
		}),
		streamEvents: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_stream_events_total",
			Help: "Events sent on streams.",
		}),
		streamDrops: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_stream_drops_total",
			Help: "Streams that were ended because their reader was too slow.",
		}),
		streamOverloads: auto.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_stream_overloads_total",
			Help: "Streams refused because as many as may be were open.",
		}),
	}
}

// methods are those that get a label of their own: a client may send any word.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func knownMethod(method string) string {
	if slices.Contains(methods, method) {
		return method
	}
	return "other"
}

// observer gives what counts the answers of a route.
func (m *metrics) observer(route string) func(method string, status int, elapsed time.Duration) {
	duration := m.duration.WithLabelValues(route)
	return func(method string, status int, elapsed time.Duration) {
		m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
		duration.Observe(elapsed.Seconds())
	}
}
