// Package snapshot writes the boards of a generation with their fences to a file or
// a bucket, and restores them from there into an empty generation.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob"

	"leaderboard/projector"
)

// Progress begins a stage of the work of so many steps, -1 when nobody knows.
type Progress func(stage string, steps int64) Bar

// Bar shows how far a stage has come.
type Bar interface {
	Add(steps int) error
	Finish() error
}

// CreateConfig says what to write where.
type CreateConfig struct {
	Redis redis.UniversalClient
	// Generation of boards; 0: the one that is read.
	Generation int
	To         Location
	Progress   Progress
}

// Create writes a snapshot: each shard as it is at one moment, while writers of that
// shard wait and readers do not. It overwrites nothing; with an error, or when ctx
// ends, nothing is there. Without, it outlasts a failure of the machine's power.
func Create(ctx context.Context, c CreateConfig) (*Contents, error) {
	bucket, err := c.To.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bucket.Close() }()
	exists, err := bucket.Exists(ctx, c.To.key)
	switch {
	case err != nil:
		return nil, err
	case exists:
		return nil, fmt.Errorf("there is a %s already: choose another name", c.To.key)
	}
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	var file localFile
	object, err := bucket.NewWriter(ctx, c.To.key, &blob.WriterOptions{ContentType: "application/octet-stream", BeforeWrite: file.begin})
	if err != nil {
		return nil, err
	}
	contents, err := c.write(ctx, object)
	if err == nil {
		err = file.sync()
	}
	if err != nil {
		abandon() // without that, Close would keep what is there so far
		_ = object.Close()
		return nil, err
	}
	if err := object.Close(); err != nil {
		return nil, err
	}
	if err := file.syncName(); err != nil {
		return nil, errors.Join(err, bucket.Delete(context.WithoutCancel(ctx), c.To.key))
	}
	return contents, nil
}

func (c *CreateConfig) write(ctx context.Context, sink io.Writer) (*Contents, error) {
	// Begun is noted after the fences and holes are noted before them, so the first
	// are read before the shards and the second after.
	layout, before, err := projector.ReadNotes(ctx, c.Redis, c.Generation)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(sink, head{Generation: layout.Generation, Shards: layout.Shards, Created: time.Now().UTC(), DedupeWindow: before.DedupeWindow, Begun: before.Begun})
	if err != nil {
		return nil, err
	}
	bar := c.Progress("entries", -1)
	for shard := range layout.Shards {
		s, err := projector.SnapshotShard(ctx, c.Redis, layout, shard, func(entries int) { _ = bar.Add(entries) })
		if err != nil {
			return nil, fmt.Errorf("read shard %d: %w", shard, err)
		}
		if partition, lacking := w.contents.lacksFence(s); lacking {
			return nil, fmt.Errorf("shard %d has lost its fence of partition %d: make the snapshot when a projector has made the shard again, as leaderboard generations list shows", shard, partition)
		}
		if err := w.shard(shard, s); err != nil {
			return nil, err
		}
	}
	now, after, err := projector.ReadNotes(ctx, c.Redis, layout.Generation)
	switch {
	case err != nil:
		return nil, err
	case now != layout || !containsAll(after.Begun, before.Begun):
		return nil, errors.New("redis lost the generation while it was read: make the snapshot when a projector has made the boards again")
	}
	after.DedupeWindow, after.Begun = before.DedupeWindow, before.Begun
	maps.Copy(after.Incomplete, before.Incomplete)
	contents, err := w.end(after)
	return contents, errors.Join(err, bar.Finish())
}

func containsAll(all, some []int) bool {
	return !slices.ContainsFunc(some, func(n int) bool { return !slices.Contains(all, n) })
}
