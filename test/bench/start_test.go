package bench

import (
	"context"
	"testing"
	"time"

	"leaderboard/test/programs"
)

const (
	// backlogShare is the part of the most that the projector can apply at which
	// activities have come while there was none.
	backlogShare = 0.1
	// backlogStep is how many of them are published together.
	backlogStep = 100_000
	mebibyte    = 1 << 20
)

// start measures how soon a projector applies what has come while there was none,
// and how fast it catches up.
func (l *lab) start(b *testing.B) {
	records := int(l.maximumRate() * backlogShare * l.form.backlog.Seconds())
	a := l.arena()
	a.fill(million)
	r := &race{rounds: l.form.starts, contenders: []contender{{projected, func() readings { return a.restart(records) }}}}
	r.after = a.checkApplied
	r.run()
	measured.note(b, r, startTime, projected, goal{})
	measured.note(b, r, activitiesPerSecond, projected, goal{})
	measured.note(b, r, peakMemory, projected, goal{})
}

// restart ends the arena's one projector, publishes so many activities, and starts
// another projector. The clock runs from there.
func (a *arena) restart(records int) readings {
	a.b.Helper()
	a.checkApplied()
	a.projectors[0].Stop()
	a.handed = 0 // a new projector counts anew
	before := a.version()
	published := tail{}
	for left := records; left > 0; left -= backlogStep {
		a.publishOn(published, a.streams.next(million, uniform(million), min(left, backlogStep)))
	}
	started := time.Now()
	p := programs.Launch(a.b, nil, "projector", a.projectorFlags()...)
	a.projectors[0] = p
	for a.version() == before {
		time.Sleep(fencePoll)
	}
	first := time.Now()
	a.awaitMarks(published.marks())
	caughtUp := rate(records, first)
	p.AwaitReady()
	return readings{
		startTime:           first.Sub(started).Seconds(),
		activitiesPerSecond: caughtUp,
		peakMemory:          float64(p.PeakMemory()) / mebibyte,
	}
}

// version is that of the shard of the board of a million users: another one means that
// an activity was applied.
func (a *arena) version() string {
	a.b.Helper()
	version, err := a.redis.Get(context.Background(), a.layout.VersionKey(a.layout.Shard(million.boards[0]))).Result()
	if err != nil {
		a.b.Fatalf("read the version of the shard: %v", err)
	}
	return version
}
