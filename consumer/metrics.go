package consumer

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"leaderboard"
)

type metrics struct {
	records       *prometheus.CounterVec
	deadLetters   *prometheus.CounterVec
	batchRecords  prometheus.Histogram
	activityAge   prometheus.Histogram
	appliedTime   *prometheus.GaugeVec
	lag           *prometheus.GaugeVec
	rewinds       *prometheus.CounterVec
	holes         *prometheus.CounterVec
	holeRecords   *prometheus.CounterVec
	invalid       *prometheus.CounterVec
	kafkaErrors   prometheus.Counter
	catalogOrgs   prometheus.Gauge
	catalogGroups prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, topics Topics) *metrics {
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_records_total",
			Help: "Records of the activities topic by what became of them.",
		}, []string{"outcome"}),
		deadLetters: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_dead_letters_total",
			Help: "Records written to the dead letters by reason.",
		}, []string{"reason"}),
		batchRecords: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_batch_records",
			Help:    "Records of the activities topic handled together.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}),
		activityAge: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "leaderboard_activity_age_seconds",
			Help:    "Time from a record's publishing to its being on the board.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 16),
		}),
		appliedTime: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leaderboard_applied_timestamp_seconds",
			Help: "Publish time of the latest record that this process brought to the boards, for the partitions assigned to it.",
		}, []string{"topic", "partition"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "leaderboard_lag_records",
			Help: "Records between what was handled and the high watermark, for the partitions assigned to this process.",
		}, []string{"topic", "partition"}),
		rewinds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_rewinds_total",
			Help: "Times a partition was read again because Redis had lost the end of what it held.",
		}, []string{"topic"}),
		holes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_holes_total",
			Help: "Times the log began later than where it had to be read on: retention overran the projector.",
		}, []string{"topic"}),
		holeRecords: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_hole_records_total",
			Help: "Offsets that were gone from the log before they were read.",
		}, []string{"topic"}),
		invalid: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leaderboard_invalid_documents_total",
			Help: "Records of the catalog and profiles topics that are invalid and were ignored.",
		}, []string{"topic"}),
		kafkaErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "leaderboard_kafka_errors_total",
			Help: "Failed requests to Kafka; each is tried again.",
		}),
		catalogOrgs: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_catalog_orgs",
			Help: "Organisations in the catalog.",
		}),
		catalogGroups: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "leaderboard_catalog_target_groups",
			Help: "Target groups in the catalog.",
		}),
	}
	reg.MustRegister(m.records, m.deadLetters, m.batchRecords, m.activityAge, m.appliedTime, m.lag, m.rewinds, m.holes,
		m.holeRecords, m.invalid, m.kafkaErrors, m.catalogOrgs, m.catalogGroups)
	for _, r := range Reasons {
		m.deadLetters.WithLabelValues(string(r))
	}
	for _, o := range []outcome{outcomeApplied, outcomeRepeated, outcomeStale, outcomeDuplicate, outcome(PassedGroupInactive), outcome(PassedBoardOff), outcomeDeadLetter, outcomeRefused} {
		m.records.WithLabelValues(string(o))
	}
	for _, topic := range []string{topics.Activities, topics.Catalog, topics.Profiles} {
		m.rewinds.WithLabelValues(topic)
		m.holes.WithLabelValues(topic)
		m.holeRecords.WithLabelValues(topic)
	}
	for _, topic := range []string{topics.Catalog, topics.Profiles} {
		m.invalid.WithLabelValues(topic)
	}
	return m
}

// outcome is what became of a record of the activities topic: one of these, or
// the reason for which it was [PassedOver] over.
type outcome string

const (
	outcomeApplied    outcome = "applied"
	outcomeRepeated   outcome = "repeated"
	outcomeStale      outcome = "stale_total"
	outcomeDuplicate  outcome = "duplicate"
	outcomeDeadLetter outcome = "dead_letter"
	// outcomeRefused is of a record that was a dead letter when it was read again.
	outcomeRefused outcome = "dead_letter_before"
)

func (m *metrics) count(o outcome, n int) {
	if n > 0 {
		m.records.WithLabelValues(string(o)).Add(float64(n))
	}
}

func (m *metrics) setLag(p partition, records int64) {
	m.lag.WithLabelValues(p.topic, strconv.Itoa(p.id)).Set(float64(max(0, records)))
}

func (m *metrics) setAppliedTime(p partition, latest leaderboard.Millis) {
	m.appliedTime.WithLabelValues(p.topic, strconv.Itoa(p.id)).Set(float64(latest) / 1000)
}

// drop forgets a partition that this process has no more.
func (m *metrics) drop(p partition) {
	m.lag.DeleteLabelValues(p.topic, strconv.Itoa(p.id))
	m.appliedTime.DeleteLabelValues(p.topic, strconv.Itoa(p.id))
}
