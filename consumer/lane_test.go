package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"leaderboard"
)

// scripted is a handler whose answers are given in advance; after the last one
// everything succeeds.
type scripted struct {
	answers []error
	calls   [][]int
	times   []time.Time
	syncs   []int64
}

func (s *scripted) resume(context.Context, leaderboard.Extent) (int64, error) { return 0, nil }
func (s *scripted) decode(m message) int                                      { return int(m.offset) }

func (s *scripted) handle(_ context.Context, _, _ int64, records []int) error {
	s.calls = append(s.calls, slices.Clone(records))
	s.times = append(s.times, time.Now())
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *scripted) sync(_ context.Context, to int64) (int64, error) {
	s.syncs = append(s.syncs, to)
	return to, nil
}

func scriptedLane(h *scripted, commit func(int64) error) *lane[int] {
	return &lane[int]{
		partition: partition{topic: "t"},
		handler:   h,
		commit:    commit,
		config:    laneConfig{maxBatchRecords: 5, syncInterval: time.Second},
		log:       slog.New(slog.DiscardHandler),
		metrics:   newMetrics(prometheus.NewPedanticRegistry(), DefaultTopics()),
		health:    &laneHealth{},
	}
}

// chunksOf is a full channel of chunks of two records each.
func chunksOf(n int) chan decoded[int] {
	chunks := make(chan decoded[int], n)
	for i := range n {
		chunks <- decoded[int]{from: int64(2 * i), next: int64(2*i + 2), records: []int{2 * i, 2*i + 1}}
	}
	return chunks
}

func TestLaneHandlesWhatHasGathered(t *testing.T) {
	h := &scripted{}
	var committed []int64
	l := scriptedLane(h, func(offset int64) error {
		committed = append(committed, offset)
		return nil
	})
	chunks := chunksOf(4)
	close(chunks)
	if err := l.handle(t.Context(), 0, chunks, &backoff{}); err != nil {
		t.Fatal(err)
	}
	if want := [][]int{{0, 1, 2, 3, 4, 5}, {6, 7}}; !slices.EqualFunc(h.calls, want, slices.Equal) {
		t.Errorf("handled %v, want %v", h.calls, want)
	}
	if !slices.Equal(h.syncs, []int64{8}) || !slices.Equal(committed, []int64{8}) {
		t.Errorf("synced to %v and committed %v at the end, want 8", h.syncs, committed)
	}
}

func TestLaneDecodesPartByPart(t *testing.T) {
	for name, test := range map[string]struct {
		records int
		parts   []int
	}{
		"nothing but markers": {0, []int{0}},
		"one part":            {decodedRecords, []int{decodedRecords}},
		"more":                {2*decodedRecords + 1, []int{decodedRecords, decodedRecords, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := chunk{next: 3*int64(test.records) + 10, highWatermark: 99}
			for i := range test.records {
				c.messages = append(c.messages, message{offset: 3*int64(i) + 2}) // with gaps
			}
			var parts []int
			at, record := int64(1), 0
			for d := range scriptedLane(&scripted{}, nil).decode(at, c) {
				if d.from != at || d.highWatermark != 99 {
					t.Fatalf("part %d begins at %d below %d, want %d below 99", len(parts), d.from, d.highWatermark, at)
				}
				for _, offset := range d.records {
					if want := 3*record + 2; offset != want || int64(offset) < d.from || int64(offset) >= d.next {
						t.Fatalf("record %d of [%d, %d) is at %d, want %d", record, d.from, d.next, offset, want)
					}
					record++
				}
				parts = append(parts, len(d.records))
				at = d.next
			}
			if at != c.next || !slices.Equal(parts, test.parts) {
				t.Errorf("the parts are of %v records and end at %d, want %v and %d", parts, at, test.parts, c.next)
			}
		})
	}
}

// answering is a broker that answers each fetch with so many records.
type answering struct {
	records       []int
	highWatermark int64
	asked         []time.Time
	// then is called at the first fetch for which there is no answer.
	then func()
}

func (a *answering) RoundTrip(_ context.Context, _ net.Addr, request kafka.Request) (kafka.Response, error) {
	part := partitionAnswer{HighWatermark: a.highWatermark}
	if n := len(a.asked); n == len(a.records) {
		a.then()
	} else if from, count := request.(*fetch.Request).Topics[0].Partitions[0].FetchOffset, int64(a.records[n]); count > 0 {
		for offset := from; offset < from+count; offset++ {
			part.Batches = append(part.Batches, batchOf(-1, false, offset, offset, offset)...)
		}
	}
	a.asked = append(a.asked, time.Now())
	return &fetchAnswer{Topics: []topicAnswer{{Partitions: []partitionAnswer{part}}}}, nil
}

func TestLaneLetsRecordsGatherOnceItHasAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broker := &answering{records: []int{4, 6, 0, 1}, highWatermark: 10, then: cancel}
		l := scriptedLane(&scripted{}, nil)
		l.partition.client = &kafka.Client{Transport: broker}
		if err := l.fetch(ctx, 0, make(chan decoded[int], len(broker.records))); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{0, gatherTime, 0, gatherTime} {
			if waited := broker.asked[i+1].Sub(broker.asked[i]); waited != want {
				t.Errorf("after an answer of %d records it waited %s, want %s", broker.records[i], waited, want)
			}
		}
	})
}

func TestLaneTriesAgainWithABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("redis is away")
		h := &scripted{answers: slices.Repeat([]error{away}, 9)}
		l := scriptedLane(h, func(int64) error { return nil })
		chunks := chunksOf(1)
		close(chunks)
		if err := l.handle(t.Context(), 0, chunks, &backoff{}); err != nil {
			t.Fatal(err)
		}
		if len(h.calls) != 10 || !slices.EqualFunc(h.calls[1:], h.calls[:9], slices.Equal) {
			t.Fatalf("the same batch was tried as %v", h.calls)
		}
		for i := 1; i < len(h.times); i++ {
			want := min(minBackoff<<(i-1), maxBackoff)
			if waited := h.times[i].Sub(h.times[i-1]); waited != want {
				t.Errorf("before try %d it waited %s, want %s", i+1, waited, want)
			}
		}
	})
}

func TestLaneGivesUpWhatIsNotTemporary(t *testing.T) {
	for _, lasting := range []error{leaderboard.ErrTailLost, leaderboard.ErrCannotGoOn} {
		end := fmt.Errorf("fence: %w", lasting)
		h := &scripted{answers: []error{end}}
		l := scriptedLane(h, func(int64) error { return nil })
		if err := l.handle(t.Context(), 0, chunksOf(1), &backoff{}); !errors.Is(err, end) || len(h.calls) != 1 {
			t.Errorf("after %v: %v, tried %d times", end, err, len(h.calls))
		}
	}
}

func TestLaneEndsWhileTryingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("redis is away")
		h := &scripted{answers: slices.Repeat([]error{away}, 1000)}
		l := scriptedLane(h, func(int64) error { return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := time.Now()
		if err := l.handle(ctx, 0, chunksOf(1), &backoff{}); !errors.Is(err, away) {
			t.Errorf("it ended with %v", err)
		}
		if ran := time.Since(started); ran != time.Minute {
			t.Errorf("it ended after %s, want at once when asked to", ran)
		}
		if l.health.handling.get() == nil {
			t.Error("the lane calls itself healthy")
		}
	})
}

// TestLagIsKnownWhileABatchFails: what cannot be handled is behind.
func TestLagIsKnownWhileABatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := scriptedLane(&scripted{answers: slices.Repeat([]error{errors.New("redis is away")}, 1000)}, func(int64) error { return nil })
		chunks := make(chan decoded[int], 1)
		chunks <- decoded[int]{from: 7, next: 9, highWatermark: 12, records: []int{7, 8}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = l.handle(ctx, 7, chunks, &backoff{})
		registry := prometheus.NewRegistry()
		registry.MustRegister(l.metrics.lag)
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetGauge().GetValue() != 5 {
			t.Errorf("the lag is %v, %v, want 5", families, err)
		}
	})
}

func TestLaneSyncsWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &scripted{}
		commits := 0
		l := scriptedLane(h, func(int64) error {
			commits++
			return nil
		})
		chunks := make(chan decoded[int])
		go func() {
			time.Sleep(3500 * time.Millisecond) // of the bubble's clock
			close(chunks)
		}()
		if err := l.handle(t.Context(), 40, chunks, &backoff{}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(h.syncs, []int64{40, 40, 40, 40}) || commits != 0 {
			t.Errorf("synced to %v with %d commits, want four times to 40 and no commit", h.syncs, commits)
		}
	})
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHealth()
		ready := func(want string) {
			t.Helper()
			got := ""
			if err := h.ready(); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("ready says %q, want %q", got, want)
			}
		}
		h.kafka.set(errors.New("no broker"))
		ready("no broker")
		h.kafka.set(nil)
		ready("the catalog topic is not read to its end yet")
		h.catalogLoaded.Store(true)
		ready("the consumer group is not joined yet")
		h.joined.Store(true)
		ready("")
		l, ended := h.lane(partition{topic: "t", id: 3})
		ready("partition t/3: not resumed yet")
		l.handling.set(nil)
		l.fetching.set(errors.New("no leader"))
		ready("partition t/3: no leader")
		l.fetching.set(nil)
		ready("")

		watched := make(chan error, 1)
		go func() { watched <- h.watch(t.Context()) }()
		time.Sleep(stuckNotReady + 2*time.Second) // of the bubble's clock
		ready("partition t/3: no progress for 1m2s")
		if err := <-watched; err == nil {
			t.Error("the watchdog ended without an error")
		}
		ended()
		ready("")
	})
}
