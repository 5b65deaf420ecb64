package bench

import (
	"slices"

	"gonum.org/v1/gonum/stat"
)

// metric is what is measured, with its unit.
type metric string

// The metrics.
const (
	activitiesPerSecond metric = "activities/s"
	requestsPerSecond   metric = "requests/s"
	p50                 metric = "p50, ms"
	p90                 metric = "p90, ms"
	p99                 metric = "p99, ms"
	p999                metric = "p99.9, ms"
	longestCommand      metric = "longest command in Redis, ms"
	longTransactions    metric = "99 % of transactions in Redis, ms"
	redisWaiting        metric = "Redis waits for a core, % of the time"
	redisTime           metric = "Redis' CPU, µs an activity"
	projectorTime       metric = "projector's CPU, µs an activity"
	bytesPerUser        metric = "bytes/user"
	startTime           metric = "start to first applied, s"
	peakMemory          metric = "memory, MiB"
)

// readings is what one run of a contender gives.
type readings map[metric]float64

// contender is one of those that are measured by turns.
type contender struct {
	name string
	run  func() readings
}

// race runs its contenders by turns, so that what else the machine does meets all
// of them alike. Each round begins with another contender.
type race struct {
	contenders []contender
	rounds     int
	// before and after surround each round; nil for nothing.
	before, after func()
	// samples are by contender.
	samples map[string]map[metric]sample
}

func (r *race) run() {
	r.samples = map[string]map[metric]sample{}
	for _, c := range r.contenders {
		r.samples[c.name] = map[metric]sample{}
	}
	for round := range r.rounds {
		if r.before != nil {
			r.before()
		}
		for turn := range r.contenders {
			c := r.contenders[(round+turn)%len(r.contenders)]
			for m, figure := range c.run() {
				r.samples[c.name][m] = append(r.samples[c.name][m], figure)
			}
		}
		if r.after != nil {
			r.after()
		}
	}
}

// sample is a figure, run after run.
type sample []float64

func (s sample) median() float64 {
	return stat.Quantile(0.5, stat.Empirical, slices.Sorted(slices.Values(s)), nil)
}

// over is the ratio of each run to the one of the other sample beside it.
func (s sample) over(other sample) sample {
	ratios := make(sample, len(s))
	for i := range s {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}
