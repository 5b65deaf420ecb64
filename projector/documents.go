package projector

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

//go:embed documents.lua
var documentsSource string

// maxDocuments bounds the documents of one script call.
const maxDocuments = 500

// Documents keeps the latest records of one compacted topic in hashes.
type Documents struct {
	projector *Projector
	script    *redis.Script
	fenceKey  string

	mu sync.Mutex
	// fences are by partition.
	fences map[int]int64
}

// Resume tells the first offset of the partition that is not kept yet.
func (d *Documents) Resume(ctx context.Context, partition int) (int64, error) {
	command := d.projector.redis.HGet(ctx, d.fenceKey, strconv.Itoa(partition))
	fence, err := fenceOf(command)
	if err != nil {
		return 0, fmt.Errorf("read the fence %s of partition %d: %w", d.fenceKey, partition, d.projector.counted(err))
	}
	d.setFence(partition, fence)
	return fence, nil
}

// Apply keeps a batch; what is kept already is passed over.
func (d *Documents) Apply(ctx context.Context, b leaderboard.DocumentBatch) error {
	for {
		fence := d.fence(b.Partition)
		if fence >= b.To {
			return nil
		}
		remaining := slices.DeleteFunc(slices.Clone(b.Documents), func(document leaderboard.Document) bool { return document.Offset < fence })
		if err := d.write(ctx, b.Partition, fence, b.To, remaining); err != nil {
			return err
		}
	}
}

// Sync makes sure that everything below an offset is kept still.
func (d *Documents) Sync(ctx context.Context, partition int, to int64) (int64, error) {
	fence := d.fence(partition)
	if err := d.write(ctx, partition, fence, max(fence, to), nil); err != nil {
		return 0, err
	}
	return d.fence(partition), nil
}

// write sends the documents in calls of bounded size, each with its own move of the fence.
func (d *Documents) write(ctx context.Context, partition int, from, to int64, documents []leaderboard.Document) error {
	var calls []scriptCall
	for len(documents) > maxDocuments {
		end := documents[maxDocuments].Offset
		calls = append(calls, d.call(partition, from, end, documents[:maxDocuments]))
		documents, from = documents[maxDocuments:], end
	}
	calls = append(calls, d.call(partition, from, to, documents))
	replies, err := d.projector.runScript(ctx, d.script, calls)
	if err != nil {
		return fmt.Errorf("keep documents of partition %d: %w", partition, err)
	}
	expected := d.fence(partition)
	for _, reply := range replies {
		if reply.verdict != verdictApplied && reply.fence < expected {
			return fmt.Errorf("fence %s of partition %d is at %d instead of %d: %w",
				d.fenceKey, partition, reply.fence, expected, leaderboard.ErrTailLost)
		}
		d.setFence(partition, reply.fence)
		expected = reply.fence
	}
	return nil
}

func (d *Documents) call(partition int, from, to int64, documents []leaderboard.Document) scriptCall {
	keys := []string{d.fenceKey}
	args := []any{partition, from, to}
	for _, document := range documents {
		hash := slices.Index(keys, document.Hash)
		if hash < 0 {
			hash = len(keys)
			keys = append(keys, document.Hash)
		}
		args = append(args, hash+1, document.Field, document.Value)
	}
	return scriptCall{keys, args}
}

func (d *Documents) fence(partition int) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fences[partition]
}

func (d *Documents) setFence(partition int, offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fences[partition] = offset
}
