package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"leaderboard"
	"leaderboard/projector"
)

// RestoreConfig says what to restore where.
type RestoreConfig struct {
	Redis redis.UniversalClient
	// Generation has to be one that nothing was written to.
	Generation int
	From       Location
	// Log is what the activities topic holds: the snapshot has to be of it, and it
	// has to reach back to the snapshot. Nil: this is not checked.
	Log      []leaderboard.Extent
	Progress Progress
}

// Restored is what was restored.
type Restored struct {
	*Contents
	// Read is true when readers use the generation, as they had no other one.
	Read bool
}

// Restore reads a snapshot twice: once to refuse it before anything is written, and
// once to write it. From then on a projector of the generation goes on with the log.
func Restore(ctx context.Context, c RestoreConfig) (Restored, error) {
	bucket, err := c.From.open(ctx)
	if err != nil {
		return Restored{}, err
	}
	defer func() { _ = bucket.Close() }()
	contents, err := c.inspect(ctx, bucket)
	if err != nil {
		return Restored{}, fmt.Errorf("%s is not restored: %w", c.From.key, err)
	}
	if c.Log != nil {
		if err := checkLog(contents, c.Log); err != nil {
			return Restored{}, err
		}
	}
	layout := leaderboard.Layout{Generation: c.Generation, Shards: contents.Shards}
	if err := projector.BeginRestore(ctx, c.Redis, layout, contents.Notes); err != nil {
		return Restored{}, err
	}
	if err := c.write(ctx, bucket, layout, contents); err != nil {
		return Restored{}, fmt.Errorf("generation %d is restored in part, leaderboard generations drop %d frees it: %w", c.Generation, c.Generation, err)
	}
	read, err := projector.EndRestore(ctx, c.Redis, c.Generation)
	return Restored{contents, read}, err
}

// inspect reads all of the snapshot and finds fault with it.
func (c *RestoreConfig) inspect(ctx context.Context, bucket *blob.Bucket) (*Contents, error) {
	object, err := c.openObject(ctx, bucket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Close() }()
	bar := c.Progress("bytes checked", object.Size())
	contents, err := inspect(io.TeeReader(object, addTo{bar}), object.Size())
	return contents, errors.Join(err, bar.Finish())
}

func (c *RestoreConfig) openObject(ctx context.Context, bucket *blob.Bucket) (*blob.Reader, error) {
	object, err := bucket.NewReader(ctx, c.From.key, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, errors.New("there is no such file or object")
	}
	return object, err
}

func (c *RestoreConfig) write(ctx context.Context, bucket *blob.Bucket, layout leaderboard.Layout, contents *Contents) error {
	object, err := c.openObject(ctx, bucket)
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }()
	r, err := newReader(object, object.Size())
	if err != nil {
		return err
	}
	bar := c.Progress("entries", int64(contents.Entries))
	err = r.decode(func(shard int, s *projector.ShardSnapshot) error {
		if r.contents.Shards != layout.Shards {
			return errReplaced
		}
		return projector.RestoreShard(ctx, c.Redis, layout, shard, s, func(entries int) { _ = bar.Add(entries) })
	})
	switch {
	case err != nil:
		return err
	case r.checkSum() != nil, !r.contents.Created.Equal(contents.Created):
		return errReplaced
	}
	return bar.Finish()
}

// errReplaced says that the second reading was of something else than the first.
var errReplaced = errors.New("the snapshot became another one while it was restored")

// addTo shows bytes on a bar.
type addTo struct{ Bar }

func (a addTo) Write(p []byte) (int, error) { return len(p), a.Add(len(p)) }

// checkLog finds fault with a log that a projector cannot go on with.
func checkLog(c *Contents, log []leaderboard.Extent) error {
	var problems []error
	extents := map[int]leaderboard.Extent{}
	for _, e := range log {
		extents[e.Partition] = e
		if next := c.Next[e.Partition]; next < e.First {
			problems = append(problems, fmt.Errorf("partition %d of the log begins at offset %d, and the snapshot ends at %d: what was between is lost, erasures of users among it", e.Partition, e.First, next))
		}
	}
	for _, partition := range c.Partitions() {
		if end := extents[partition].End; c.Reached[partition] > end {
			problems = append(problems, fmt.Errorf("partition %d of the log ends at offset %d, and the snapshot at %d: it is of another topic", partition, end, c.Reached[partition]))
		}
	}
	if problems == nil {
		return nil
	}
	return fmt.Errorf("a projector could not go on from this snapshot to where the log ends; --force restores it all the same, with boards that lack something:\n%w", errors.Join(problems...))
}
