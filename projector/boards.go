package projector

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

//go:embed sync.lua
var syncSource string

// Boards folds activities. It keeps, for every partition that was resumed, where
// each shard's fence is; Redis holds the truth, and says so when they differ.
type Boards struct {
	projector *Projector
	script    *redis.Script

	mu    sync.Mutex
	lanes map[int]*lane
	// shards are those of the layout last seen.
	shards []*shard
}

// lane is one partition. Only the goroutine that serves the partition touches it.
type lane struct {
	layout leaderboard.Layout
	shards []*shard
	// fences are by shard: the next offset that the shard is to apply.
	fences []int64
	// next is where the next batch has to begin, -1 before the first.
	next int64
	// complete is the offset at which the partition is read again far enough for
	// the boards to be complete; 0 when they are.
	complete int64
}

func (l *lane) progress() leaderboard.Progress {
	// A record without a board belongs to shard 0: when that fence is past a
	// record, the record's dead letter is written.
	return leaderboard.Progress{Next: slices.Min(l.fences), Judged: l.fences[0]}
}

// Resume begins a partition: it reads how far each shard has come, and takes note
// of what the log has lost and of boards that have to be made again.
func (b *Boards) Resume(ctx context.Context, log leaderboard.Extent) (leaderboard.Progress, error) {
	if err := b.projector.checkEviction(ctx); err != nil {
		return leaderboard.Progress{}, err
	}
	layout, err := b.projector.layout(ctx)
	if err != nil {
		return leaderboard.Progress{}, err
	}
	l := &lane{layout: layout, shards: b.shardsOf(layout), fences: make([]int64, layout.Shards), next: -1}
	commands, err := b.projector.pipelined(ctx, func(pipe redis.Pipeliner) {
		for shard := range l.fences {
			pipe.HGet(ctx, layout.FenceKey(shard), strconv.Itoa(log.Partition))
		}
	})
	if err != nil {
		return leaderboard.Progress{}, fmt.Errorf("read the fences of partition %d: %w", log.Partition, err)
	}
	var lacking []int
	for shard, command := range commands {
		if errors.Is(command.Err(), redis.Nil) {
			lacking = append(lacking, shard)
		}
		if l.fences[shard], err = fenceOf(command.(*redis.StringCmd)); err != nil {
			return leaderboard.Progress{}, fmt.Errorf("read the fence %s of partition %d: %w", layout.FenceKey(shard), log.Partition, err)
		}
	}
	if err := b.begin(ctx, layout, log.Partition, lacking); err != nil {
		return leaderboard.Progress{}, err
	}
	progress := l.progress()
	if err := b.note(ctx, l, log, progress.Next); err != nil {
		return leaderboard.Progress{}, err
	}
	b.mu.Lock()
	b.lanes[log.Partition] = l
	b.mu.Unlock()
	return progress, nil
}

// shardsOf are the shards of a layout: the same ones for all partitions.
func (b *Boards) shardsOf(l leaderboard.Layout) []*shard {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.shards) != l.Shards {
		b.shards = make([]*shard, l.Shards)
		for number := range b.shards {
			b.shards[number] = newShard(b.projector, l, number)
		}
	}
	return b.shards
}

// note writes into lb:meta what readers and operators have to know of a partition
// that goes on at next. Only then does it name a generation to read: whoever finds
// one finds the notes too.
func (b *Boards) note(ctx context.Context, l *lane, log leaderboard.Extent, next int64) error {
	generation := l.layout.Generation
	incomplete := leaderboard.MetaIncomplete(generation, log.Partition)
	commands, err := b.projector.pipelined(ctx, func(pipe redis.Pipeliner) {
		if next < log.First {
			pipe.HSet(ctx, leaderboard.MetaKey, leaderboard.MetaHole(generation, log.Partition, next), log.First)
		}
		if next < log.End && (next == 0 || b.hasLost(log.Partition, next)) {
			pipe.HSet(ctx, leaderboard.MetaKey, incomplete, log.End)
		}
		pipe.HSetNX(ctx, leaderboard.MetaKey, leaderboard.MetaRead, generation)
		pipe.HGet(ctx, leaderboard.MetaKey, incomplete)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", leaderboard.MetaKey, err)
	}
	l.complete, err = fenceOf(commands[len(commands)-1].(*redis.StringCmd))
	if err != nil {
		return fmt.Errorf("%s of %s: %w", incomplete, leaderboard.MetaKey, err)
	}
	return nil
}

// hasLost tells whether Redis stands before where this process had brought it.
func (b *Boards) hasLost(partition int, next int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.lanes[partition]
	return before != nil && next < before.progress().Next
}

func fenceOf(command *redis.StringCmd) (int64, error) {
	offset, err := command.Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return offset, err
}

func (b *Boards) lane(partition int) (*lane, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lanes[partition]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("partition %d was not resumed", partition)
}

// Apply folds a batch into the boards; what a shard has applied already it passes
// over. After an error it may be called again with the same batch.
func (b *Boards) Apply(ctx context.Context, batch leaderboard.Batch) (leaderboard.Outcome, error) {
	l, err := b.lane(batch.Partition)
	if err != nil {
		return leaderboard.Outcome{}, err
	}
	if l.next >= 0 && batch.From != l.next {
		return leaderboard.Outcome{}, fmt.Errorf("partition %d: a batch begins at offset %d instead of %d", batch.Partition, batch.From, l.next)
	}
	started := time.Now()
	records, err := b.expandErasures(ctx, l.layout, batch.Records)
	if err != nil {
		return leaderboard.Outcome{}, fmt.Errorf("partition %d: %w", batch.Partition, err)
	}
	tasks := l.tasks(batch, records)
	for number, t := range tasks {
		if len(t.records) > 0 {
			l.shards[number].begin(ctx, t)
		}
	}
	var outcome leaderboard.Outcome
	for number, t := range tasks {
		if t.done != nil {
			if taskErr := t.await(); taskErr != nil { // each shard goes as far as it can, whatever the others do
				err = cmp.Or(err, fmt.Errorf("apply to shard %d: %w", number, taskErr))
			}
			l.fences[number] = t.fence
		}
		outcome.Add(t.outcome)
	}
	if err != nil {
		return outcome, err
	}
	l.next = batch.To
	b.projector.metrics.applySeconds.Observe(time.Since(started).Seconds())
	return countErasuresOnce(outcome, len(records)-len(batch.Records)), nil
}

// tasks divides records among the shards; what lies below a shard's fence it has.
func (l *lane) tasks(batch leaderboard.Batch, records []leaderboard.Record) []*task {
	shards, sizes := make([]int, len(records)), make([]int, len(l.fences))
	known := map[leaderboard.Board]int{} // Layout.Shard takes twice as long as a look into a map
	for i := range records {
		shard, isKnown := known[records[i].Board]
		if !isKnown {
			shard = l.layout.Shard(records[i].Board)
			known[records[i].Board] = shard
		}
		shards[i] = shard
		sizes[shard]++
	}
	tasks := make([]*task, len(l.fences))
	for number, size := range sizes {
		tasks[number] = &task{partition: batch.Partition, to: batch.To, records: make([]leaderboard.Record, 0, size)}
	}
	for i, shard := range shards {
		tasks[shard].records = append(tasks[shard].records, records[i])
	}
	for number, t := range tasks {
		t.repeated(l.fences[number])
	}
	return tasks
}

// adopt takes the fence that Redis has for the one that was expected. Higher: the
// records were applied before, or by another writer. Lower: Redis has lost them.
func (b *Boards) adopt(l *lane, partition, shard int, fence int64) error {
	switch {
	case fence > l.fences[shard]:
		b.projector.metrics.fenceAhead.Inc()
		l.fences[shard] = fence
	case fence < l.fences[shard]:
		return fmt.Errorf("fence %s of partition %d is at %d instead of %d: %w",
			l.layout.FenceKey(shard), partition, fence, l.fences[shard], leaderboard.ErrTailLost)
	}
	return nil
}

// Sync moves the fences of all shards to an offset up to which everything was
// applied, and so notices on idle shards too when Redis has lost something.
func (b *Boards) Sync(ctx context.Context, partition int, to int64) (leaderboard.Progress, error) {
	l, err := b.lane(partition)
	if err != nil {
		return leaderboard.Progress{}, err
	}
	layout, err := b.projector.layout(ctx)
	if err != nil {
		return leaderboard.Progress{}, err
	}
	if layout != l.layout {
		return leaderboard.Progress{}, fmt.Errorf("generation %d has %d shards instead of %d: %w",
			layout.Generation, layout.Shards, l.layout.Shards, leaderboard.ErrTailLost)
	}
	calls := make([]scriptCall, len(l.fences))
	for shard, fence := range l.fences {
		calls[shard] = scriptCall{
			keys: []string{layout.FenceKey(shard), layout.HoldKey(shard)},
			args: []any{partition, fence, max(fence, to)},
		}
	}
	replies, err := b.projector.runScript(ctx, b.script, calls)
	if err != nil {
		return leaderboard.Progress{}, fmt.Errorf("sync partition %d: %w", partition, err)
	}
	for shard, reply := range replies {
		if reply.verdict == verdictApplied {
			l.fences[shard] = max(l.fences[shard], to)
		} else if err := b.adopt(l, partition, shard, reply.fence); err != nil {
			return leaderboard.Progress{}, err
		}
	}
	return l.progress(), b.complete(ctx, partition, l)
}

// complete takes back the note that the boards are incomplete, when they are not.
func (b *Boards) complete(ctx context.Context, partition int, l *lane) error {
	if l.complete == 0 || l.progress().Next < l.complete {
		return nil
	}
	field := leaderboard.MetaIncomplete(l.layout.Generation, partition)
	if err := b.projector.counted(b.projector.redis.HDel(ctx, leaderboard.MetaKey, field).Err()); err != nil {
		return fmt.Errorf("write %s: %w", leaderboard.MetaKey, err)
	}
	l.complete = 0
	return nil
}
