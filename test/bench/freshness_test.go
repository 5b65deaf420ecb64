package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

const (
	// probes is how many users act and look, each on its own.
	probes = 8
	// probePause is the most that a probe waits before it acts again, so that it
	// does not fall into step with the batches.
	probePause = 20 * time.Millisecond
	// probePoll is how long a probe waits at least before it looks again, and
	// probeShare makes it a tenth of what it has waited so far: it is off by no more
	// than that, and those who wait long do not load what they measure.
	probePoll  = time.Millisecond
	probeShare = 10
	// probeLimit is when a probe gives up.
	probeLimit = 30 * time.Second
)

// bareLoop is the contender that fetches a batch, sends its ZINCRBY and begins anew.
const bareLoop = "bare loop"

// freshness measures from the acknowledgement of an activity until its effect is
// seen over HTTP, at shares of the most that the projector can apply.
func (l *lab) freshness(b *testing.B) {
	maximum := l.maximumRate()
	s := l.services()
	a := l.arena()
	f := &freshness{arena: a, duration: l.form.freshness, sent: map[leaderboard.UserID]int{}}
	at := func(percent int) string { return fmt.Sprintf("%s at %d %%", projected, percent) }
	r := &race{rounds: l.form.rounds}
	for _, percent := range []int{10, 50, 90} {
		r.contenders = append(r.contenders, contender{at(percent), func() readings {
			a.forgetCommands()
			before, start := a.applied(), time.Now()
			seen := f.run(b, a.activities(), maximum*float64(percent)/100, s.query, rankOfProbe)
			seen[activitiesPerSecond] = rate(a.applied()-before, start)
			a.commandTimes(seen)
			return seen
		}})
	}
	r.contenders = append(r.contenders, contender{bareLoop, func() readings {
		return f.run(b, s.loopTopic, maximum/2, s.bare, valueOfProbe)
	}})
	r.run()
	a.checkApplied()
	for _, m := range []metric{p50, p99, p999} {
		for _, percent := range []int{10, 90} {
			measured.note(b, r, m, at(percent), goal{})
		}
		g := goal{}
		if m == p99 {
			g = atMost(3)
		}
		measured.compare(b, r, m, at(50), bareLoop, g)
	}
	for _, percent := range []int{10, 50, 90} {
		measured.note(b, r, activitiesPerSecond, at(percent), goal{})
		measured.note(b, r, longestCommand, at(percent), atMost(10))
		measured.note(b, r, longTransactions, at(percent), goal{})
	}
	for _, c := range r.contenders {
		measured.drawLatency(freshnessPicture, c.name, r.samples[c.name])
	}
}

func rankOfProbe(user leaderboard.UserID) request { return rankRequest(user, million.boards) }

func valueOfProbe(user leaderboard.UserID) request {
	return request{path: fmt.Sprintf("/value?user=%d", user)}
}

// freshness runs probes while activities flow.
type freshness struct {
	arena    *arena
	duration time.Duration
	// sent counts the activities of each probe, so that its value tells which of
	// them are on the board.
	sent map[leaderboard.UserID]int
}

// run lets activities flow into a topic at a rate, and probes with them.
func (f *freshness) run(b *testing.B, topic string, perSecond float64, service *api, look func(leaderboard.UserID) request) readings {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), f.duration)
	defer cancel()
	flow := f.arena.flow(ctx, topic, perSecond)
	histograms := make([]*hdrhistogram.Histogram, probes)
	all := make([]*probe, probes)
	var group errgroup.Group
	for i := range probes {
		// Probes are none of the board's other users; those of the bare loop and of
		// the projector act on different boards.
		user := firstUser - 1 - leaderboard.UserID(i)
		if topic != f.arena.activities() {
			user -= probes
		}
		histograms[i] = newHistogram()
		all[i] = &probe{f.arena, topic, user, f.sent[user], service.exchange(), look(user), histograms[i], rand.New(rand.NewPCG(uint64(user), uint64(f.sent[user])))}
		group.Go(func() error { return all[i].run(ctx) })
	}
	err := group.Wait()
	cancel()
	m := <-flow
	if err != nil {
		b.Fatalf("probe: %v", err)
	}
	f.arena.awaitMarks(m)
	seen := newHistogram()
	for i, h := range histograms {
		seen.Merge(h)
		if topic == f.arena.activities() {
			f.arena.handed += all[i].sent - f.sent[all[i].user]
		}
		f.sent[all[i].user] = all[i].sent
	}
	return readings{}.quantiles(seen)
}

// probe is a user that acts, looks until that is seen, and acts again.
type probe struct {
	arena    *arena
	topic    string
	user     leaderboard.UserID
	sent     int
	exchange *exchange
	look     request
	seen     *hdrhistogram.Histogram
	random   *rand.Rand
}

func (p *probe) run(ctx context.Context) error {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(p.random.Int64N(int64(probePause))))
		acknowledged, err := p.act()
		if err != nil {
			return err
		}
		if err := p.await(acknowledged); err != nil {
			return err
		}
		if err := p.seen.RecordValue(time.Since(acknowledged).Microseconds()); err != nil {
			return err
		}
	}
	return nil
}

// act publishes an activity of value 1 and returns when it was acknowledged.
func (p *probe) act() (acknowledged time.Time, err error) {
	p.sent++
	e := event{user: p.user, value: 1000, time: leaderboard.MillisOf(periodStart.AddDate(1, 0, 0)) + leaderboard.Millis(p.sent), partition: p.arena.streams.partitionOf(p.user)}
	record := newRecord(p.topic, million, &e)
	done := make(chan error, 1)
	p.arena.prober.Produce(context.Background(), &record, func(_ *kgo.Record, err error) {
		acknowledged = time.Now()
		done <- err
	})
	err = <-done
	return acknowledged, err
}

// await looks until the user's value tells of all activities.
func (p *probe) await(acknowledged time.Time) error {
	for {
		if time.Since(acknowledged) > probeLimit {
			return fmt.Errorf("activity %d of user %d in %s is not to be seen after %s", p.sent, p.user, p.topic, probeLimit)
		}
		body, err := p.exchange.ask(p.look)
		if err != nil {
			return err
		}
		var answer struct {
			Data struct{ UserRanks []place }
			// The bare handler has no envelope.
			UserRanks []place
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		for _, at := range append(answer.Data.UserRanks, answer.UserRanks...) {
			if int(at.AchievedValue) >= p.sent {
				return nil
			}
		}
		time.Sleep(max(probePoll, time.Since(acknowledged)/probeShare))
	}
}

// place is what a probe wants to know of an answer.
type place struct{ AchievedValue float64 }
