package bench

import (
	"context"
	"testing"
	"time"
)

// applyAll measures how many activities a second get from Kafka to Redis.
func (l *lab) applyAll(b *testing.B) {
	b.Run("uniform", l.applyUniform)
	b.Run("zipf", func(b *testing.B) { l.applyFilled(b, million, zipf(million), atLeast(1.2)) })
	b.Run("boards", func(b *testing.B) { l.applyFilled(b, many, uniform(many), atLeast(0.4)) })
	b.Run("rebuild", l.applyRebuild)
	b.Run("eventids", l.applyEventIDs)
}

// Contenders of the measurements of throughput.
const (
	projected = "projector"
	plain     = "ZINCRBY"
	native    = "native, no guard"
)

func (l *lab) applyUniform(b *testing.B) {
	r := l.applyFilled(b, million, uniform(million), atLeast(0.75))
	l.maximum = r.samples[projected][activitiesPerSecond].median()
}

// maximumRate is how many activities a second the projector applies at most. It is
// measured unless it was already.
func (l *lab) maximumRate() float64 {
	if l.maximum == 0 {
		a := l.arena()
		a.fill(million)
		r := &race{rounds: l.form.rounds, contenders: []contender{{projected, func() readings {
			return a.apply(a.streams.next(million, uniform(million), l.form.records))
		}}}}
		r.run()
		l.maximum = r.samples[projected][activitiesPerSecond].median()
	}
	return l.maximum
}

// applyFilled measures on boards that have their users already.
func (l *lab) applyFilled(b *testing.B, set *boardSet, by draw, g goal) *race {
	a := l.arena()
	a.fill(set)
	return l.applyStreams(b, func() (*arena, *stream) { return a, a.streams.next(set, by, l.form.records) }, g)
}

// applyEventIDs measures with an id on every event, of which the projector keeps
// those of a day.
func (l *lab) applyEventIDs(b *testing.B) {
	a := l.arena()
	a.fill(million)
	l.applyStreams(b, func() (*arena, *stream) {
		return a, a.streams.withIDs(a.streams.next(million, uniform(million), l.form.recordsWithIDs))
	}, goal{})
}

// applyRebuild measures on a Redis that is empty at the start of every round.
func (l *lab) applyRebuild(b *testing.B) {
	var last *arena
	l.applyStreams(b, func() (*arena, *stream) {
		if last != nil {
			last.stop()
		}
		last = newArena(l.b, 4, 1)
		return last, last.streams.next(empty, uniform(empty), l.form.records)
	}, atLeast(0.75))
	last.stop()
}

// applyStreams lets the projector and the ceilings apply a stream each round.
func (l *lab) applyStreams(b *testing.B, next func() (*arena, *stream), g goal) *race {
	var (
		a *arena
		s *stream
	)
	r := &race{rounds: l.form.rounds, contenders: []contender{
		{projected, func() readings { return a.apply(s) }},
		{plain, func() readings { return a.ceiling(s, applyPlain) }},
		{native, func() readings { return a.ceiling(s, applyNative) }},
	}}
	r.before = func() { a, s = next() }
	r.after = func() { a.checkApplied() }
	r.run()
	measured.compare(b, r, activitiesPerSecond, projected, plain, g)
	measured.compare(b, r, activitiesPerSecond, projected, native, goal{})
	measured.compare(b, r, redisTime, projected, plain, goal{})
	measured.compare(b, r, redisTime, projected, native, goal{})
	measured.note(b, r, projectorTime, projected, goal{})
	measured.note(b, r, longestCommand, projected, atMost(10))
	measured.note(b, r, longTransactions, projected, goal{})
	measured.note(b, r, redisWaiting, projected, goal{})
	measured.note(b, r, redisWaiting, plain, goal{})
	return r
}

// apply publishes the stream while the projectors are frozen, lets them go, and
// measures until the last fence is there. So neither publishing nor starting
// counts.
func (a *arena) apply(s *stream) readings {
	a.b.Helper()
	a.forgetCommands()
	projectorBefore := a.projectorSeconds() // a frozen one cannot be asked
	a.pause()
	m := a.publish(s)
	took := a.timed(s, func() {
		a.resume()
		a.awaitMarks(m)
	})
	a.commandTimes(took)
	took[projectorTime] = (a.projectorSeconds() - projectorBefore) * 1e6 / float64(len(s.events))
	return took
}

// timed measures how fast the stream is applied, and what that takes.
func (a *arena) timed(s *stream, apply func()) readings {
	waitedBefore, _ := a.waitingSeconds()
	redisBefore, start := a.redisSeconds(), time.Now()
	apply()
	took := time.Since(start).Seconds()
	r := readings{
		activitiesPerSecond: float64(len(s.events)) / took,
		redisTime:           (a.redisSeconds() - redisBefore) * 1e6 / float64(len(s.events)),
	}
	if waited, known := a.waitingSeconds(); known {
		r[redisWaiting] = 100 * (waited - waitedBefore) / took
	}
	return r
}

// ceiling measures how fast the stream gets into Redis from memory.
func (a *arena) ceiling(s *stream, apply func(context.Context, *arena, *stream) error) readings {
	a.b.Helper()
	return a.timed(s, func() {
		if err := apply(context.Background(), a, s); err != nil {
			a.b.Fatalf("apply to the ceiling: %v", err)
		}
	})
}

func rate(n int, since time.Time) float64 { return float64(n) / time.Since(since).Seconds() }
