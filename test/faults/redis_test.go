package faults

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
)

// TestRedis takes away what Redis holds, or Redis itself.
func TestRedis(t *testing.T) {
	const replayed = "What Redis has lost is read again from the log; the boards come out equal."
	runScenarios(t, []scenario{
		{
			name:  "Killed",
			fault: "Redis killed and started again, append-only everysec", promise: replayed, share: 0.2,
			setting: setting{store: singleRedis(appendOnly...)},
			inject:  killRedis,
		},
		{
			name:  "TailLost",
			fault: "Redis comes back from a snapshot and has lost its last seconds", promise: replayed, share: 0.1,
			inject: loseTail, after: expectRewound,
		},
		{
			name:  "FlushAll",
			fault: "FLUSHALL", promise: "The boards are made again from the log; until they are complete, `/readyz` of the query service says so.",
			inject: flushAll, after: expectRewound,
		},
		{
			name:  "ShardLost",
			fault: "All keys of one shard deleted", promise: "That shard is made again from the log; the others stay as they are.",
			inject: loseShard, after: expectRewound,
		},
		{
			name:  "FenceLost",
			fault: "One shard's fence deleted, its boards kept", promise: "Boards without a fence are not trusted: the shard is made from nothing.",
			inject: untilRewound(loseFence),
		},
		{
			name:  "FenceOfPartitionLost",
			fault: "One partition's fence deleted on one shard", promise: "As before: the shard is made from nothing.",
			inject: untilRewound(loseFenceOfPartition),
		},
		{
			name:  "Paused",
			fault: "Redis frozen for seconds (SIGSTOP)", promise: "Writes wait; none is doubled, whether it had arrived or not.", share: 0.4,
			inject: pauseRedis,
		},
		{
			name:  "LaggingReplicaPromoted",
			fault: "Primary killed, Sentinel promotes a replica that lags", promise: replayed,
			setting: setting{store: watchedRedis}, inject: promoteLagging, after: expectRewound,
		},
		{
			name:  "PrimaryReturns",
			fault: "Primary frozen, replica promoted, primary wakes up", promise: "What the old primary was told is lost with it and read again from the log.",
			setting: setting{store: watchedRedis}, inject: freezePrimary,
		},
	})
}

func killRedis(w *world) func() {
	w.store.process.Kill()
	return w.store.process.Start
}

func loseTail(w *world) func() {
	if err := w.store.client.Save(context.Background()).Err(); err != nil {
		w.t.Fatal(err)
	}
	w.flowOn(0.2)
	return killRedis(w)
}

func flushAll(w *world) func() {
	// A slow link gives everybody time to see that the boards are incomplete.
	w.store.link.spoil("bandwidth", requests, map[string]int{"rate": 50})
	emptyRedis(w)
	w.query.AwaitNotReady("incomplete")
	return w.store.link.mend
}

func emptyRedis(w *world) func() {
	if err := w.store.client.FlushAll(context.Background()).Err(); err != nil {
		w.t.Fatal(err)
	}
	return nil
}

// busyShard is one that has boards.
func busyShard(w *world) int { return layout.Shard(boards()[w.random.IntN(len(boards()))]) }

func loseShard(w *world) func() {
	shard := busyShard(w)
	programs.Await(w.t, "a shard to have keys", func() error {
		keys, err := w.store.client.Keys(context.Background(), fmt.Sprintf("lb:{1.%d}:*", shard)).Result()
		if err != nil || len(keys) == 0 {
			return fmt.Errorf("it has %d: %w", len(keys), err)
		}
		return w.store.client.Del(context.Background(), keys...).Err()
	})
	return nil
}

func loseFence(w *world) func() {
	w.delete("a fence", func(ctx context.Context) *redis.IntCmd {
		return w.store.client.Del(ctx, layout.FenceKey(busyShard(w)))
	})
	return nil
}

func loseFenceOfPartition(w *world) func() {
	w.delete("the fence of a partition", func(ctx context.Context) *redis.IntCmd {
		return w.store.client.HDel(ctx, layout.FenceKey(busyShard(w)), fmt.Sprint(w.random.IntN(partitions)))
	})
	return nil
}

// delete waits until there is something to delete.
func (w *world) delete(what string, do func(context.Context) *redis.IntCmd) {
	w.t.Helper()
	programs.Await(w.t, what+" to be there", func() error {
		n, err := do(context.Background()).Result()
		if err == nil && n == 0 {
			err = errors.New("it is not")
		}
		return err
	})
}

func pauseRedis(w *world) func() {
	w.store.process.Pause()
	return w.store.process.Resume
}

func promoteLagging(w *world) func() {
	p := w.store.pair
	p.detach()
	w.flowOn(0.1)
	p.primary.signal(w.t, syscall.SIGKILL)
	p.awaitPromoted()
	return func() {
		p.replica.start(w.t)
		p.awaitDemoted()
	}
}

func freezePrimary(w *world) func() {
	p := w.store.pair
	p.primary.signal(w.t, syscall.SIGSTOP)
	p.awaitPromoted()
	return func() {
		p.replica.signal(w.t, syscall.SIGCONT)
		p.awaitDemoted()
	}
}

const rewinds = "leaderboard_rewinds_total"

// untilRewound injects a fault until a projector reads the log again. A fence that
// goes between a writer's look and its transaction is set by the latter to where the
// boards stand: nothing is lost then, and nobody has anything to notice.
func untilRewound(inject func(*world) (heal func())) func(*world) func() {
	return func(w *world) func() {
		programs.Await(w.t, "a projector to read the log again", func() error {
			inject(w)
			return w.counted(rewinds, "topic", w.activities())
		})
		return nil
	}
}

func expectRewound(w *world) {
	w.t.Helper()
	w.expectCounted(rewinds, "topic", w.activities())
}

// expectCounted requires that the projectors met what was done to them.
func (w *world) expectCounted(metric string, labels ...string) {
	w.t.Helper()
	if err := w.counted(metric, labels...); err != nil {
		w.t.Error(err)
	}
}

// counted is an error as long as the metric is 0.
func (w *world) counted(metric string, labels ...string) error {
	w.t.Helper()
	if w.metric(metric, labels...) == 0 {
		return fmt.Errorf("no projector has noticed anything: %s is 0", metric)
	}
	return nil
}
