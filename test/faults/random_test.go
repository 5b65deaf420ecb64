package faults

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// chance is a fault that can come together with others.
type chance struct {
	name   string
	inject func(*world) (heal func())
}

// chances are by what they hit: each part is hit by one at a time. What Redis
// holds comes first, as it cannot be taken away once Redis is out of reach.
var chances = [][]chance{
	{
		{"Redis killed", killRedis},
		{"Redis frozen", pauseRedis},
		{"FLUSHALL", emptyRedis},
		{"shard lost", loseShard},
		{"fence lost", loseFence},
		{"fence of a partition lost", loseFenceOfPartition},
	},
	linkChances("Redis", func(w *world) *link { return w.store.link }),
	linkChances("Kafka", func(w *world) *link { return w.kafkaLink }),
	{
		{"projector killed", func(w *world) func() { start := replaceProjector(w); return func() { start() } }},
		{"projector killed, the next one is there", func(w *world) func() { replaceProjector(w)(); return nil }},
		{"projector frozen", func(w *world) func() { w.projectors[0].Pause(); return w.projectors[0].Resume }},
		{"projector joined", func(w *world) func() { w.join(); return nil }},
	},
	{
		{"Kafka stopped", func(w *world) func() { w.broker.Stop(); return w.broker.Start }},
		{"Kafka killed", func(w *world) func() { w.broker.Kill(); return w.broker.Start }},
	},
}

func linkChances(name string, of func(*world) *link) []chance {
	var all []chance
	for _, c := range []struct {
		name   string
		inject func(*world, *link) func()
	}{{"slow", delay}, {"narrow", narrow}, {"silent", silence}, {"reset", reset}, {"severed", sever}, {"cut", cutAgainAndAgain}} {
		all = append(all, chance{name + " link " + c.name, func(w *world) func() { return c.inject(w, of(w)) }})
	}
	return all
}

// TestAtRandom lets several faults come at once, by chance: RUNS runs (1 without
// it), each with the seed of the last one plus 1.
func TestAtRandom(t *testing.T) {
	runs := 1
	if given := os.Getenv("RUNS"); given != "" {
		var err error
		if runs, err = strconv.Atoi(given); err != nil {
			t.Fatalf("RUNS: %v", err)
		}
	}
	longest := time.Duration(0)
	first := seedOf(t)
	for seed := first; seed < first+uint64(runs); seed++ {
		t.Run(fmt.Sprintf("SEED=%d", seed), func(t *testing.T) { longest = max(longest, runAtRandom(t, seed)) })
	}
	if !t.Failed() {
		measured.add(row{
			fmt.Sprintf("Several of these at once, by chance: %d runs", runs), "Every board equals its log.", t.Name(), longest,
		})
	}
}

// runAtRandom goes through rounds of faults. How long what takes is not in the
// seed; which faults come, and with what stream, is.
func runAtRandom(t *testing.T, seed uint64) time.Duration {
	const records, rounds = 30_000, 3
	w := newWorld(t, seed, setting{ownKafka: true, store: singleRedis(appendOnly...)}, records)
	w.stream.publish(records / 5)
	w.awaitBoards()
	recovery := w.suffer(func(w *world) func() {
		for round := range rounds {
			w.sufferRound(round)
		}
		return nil
	}, 0)
	t.Logf("boards equal %s after the last fault", recovery)
	w.stream.publish(records)
	w.settle()
	return recovery
}

// sufferRound brings about two or three faults, of different parts, and heals them
// in another order.
func (w *world) sufferRound(round int) {
	w.t.Helper()
	parts := w.random.Perm(len(chances))[:2+w.random.IntN(2)]
	slices.Sort(parts)
	var names []string
	var heals []func()
	for _, part := range parts {
		c := chances[part][w.random.IntN(len(chances[part]))]
		names = append(names, c.name)
		if heal := c.inject(w); heal != nil {
			heals = append(heals, heal)
		}
	}
	w.t.Logf("round %d: %s", round+1, strings.Join(names, "; "))
	w.flowOn(0.1)
	w.random.Shuffle(len(heals), func(i, j int) { heals[i], heals[j] = heals[j], heals[i] })
	for _, heal := range heals {
		heal()
	}
	w.flowOn(0.02)
}
