package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"leaderboard"
	"leaderboard/projector"
)

// reader reads what a writer has written.
type reader struct {
	source io.Reader
	// body is what is left of the source before the checksum.
	body     io.Reader
	sum      hash.Hash
	contents *Contents
}

// newReader begins to read a snapshot of so many bytes.
func newReader(source io.Reader, size int64) (*reader, error) {
	r := &reader{source: source, sum: sha256.New()}
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(source, start); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("it is truncated: it has %d bytes", size)
		}
		return nil, err
	}
	family := len(magic) - 2
	switch {
	case string(start[:family]) != magic[:family]:
		return nil, errors.New("it is no snapshot of a leaderboard")
	case string(start) != magic:
		return nil, fmt.Errorf("its format has the version %q and this program reads %q: use the release that made it, or a newer one", start[family:], magic[family:])
	case size < int64(len(magic)+sha256.Size):
		return nil, fmt.Errorf("it is truncated: it has %d bytes", size)
	}
	r.sum.Write(start)
	r.body = io.TeeReader(io.LimitReader(source, size-int64(len(magic)+sha256.Size)), r.sum)
	return r, nil
}

// inspect reads all of a snapshot and finds fault with it.
func inspect(source io.Reader, size int64) (*Contents, error) {
	r, err := newReader(source, size)
	if err != nil {
		return nil, err
	}
	decodeErr := r.decode(func(int, *projector.ShardSnapshot) error { return nil })
	// A wrong checksum says more than what could not be decoded because of it.
	if err := r.checkSum(); err != nil {
		return nil, err
	}
	return r.contents, decodeErr
}

// checkSum reads what is left and tells whether all of it is as it was written.
func (r *reader) checkSum() error {
	if _, err := io.Copy(io.Discard, r.body); err != nil {
		return err
	}
	written := make([]byte, sha256.Size)
	if _, err := io.ReadFull(r.source, written); err != nil {
		return err
	}
	if !bytes.Equal(written, r.sum.Sum(nil)) {
		return errors.New("it is truncated or altered: its checksum is another one")
	}
	return nil
}

// decode visits the shards.
func (r *reader) decode(each func(shard int, s *projector.ShardSnapshot) error) error {
	// One goroutine: what is left of the body must stand still when this returns.
	frame, err := zstd.NewReader(r.body, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer frame.Close()
	lines := json.NewDecoder(frame)
	lines.DisallowUnknownFields()
	var h head
	if err := lines.Decode(&h); err != nil {
		return fmt.Errorf("its head: %w", err)
	}
	if h.Shards <= 0 {
		return fmt.Errorf("it has %d shards", h.Shards)
	}
	if h.DedupeWindow != nil && *h.DedupeWindow < 0 {
		return fmt.Errorf("it has a dedupe window of %d ms", *h.DedupeWindow)
	}
	r.contents = newContents(h)
	layout := leaderboard.Layout{Generation: h.Generation, Shards: h.Shards}
	for shard := range h.Shards {
		s, err := decodeShard(lines, layout, shard)
		if err != nil {
			return fmt.Errorf("its shard %d: %w", shard, err)
		}
		if partition, lacking := r.contents.lacksFence(s); lacking {
			return fmt.Errorf("its shard %d has no fence of partition %d", shard, partition)
		}
		r.contents.add(s)
		if err := each(shard, s); err != nil {
			return err
		}
	}
	return r.decodeTail(lines)
}

func decodeShard(lines *json.Decoder, layout leaderboard.Layout, shard int) (*projector.ShardSnapshot, error) {
	var line shardLine
	if err := lines.Decode(&line); err != nil {
		return nil, err
	}
	s, err := line.content(layout, shard)
	if err != nil {
		return nil, err
	}
	for range line.Seen {
		var line seenLine
		if err := lines.Decode(&line); err != nil {
			return nil, err
		}
		if s.Seen[line.Partition], err = line.content(); err != nil {
			return nil, err
		}
	}
	known := map[leaderboard.Board]bool{}
	for range line.Boards {
		var line boardLine
		if err := lines.Decode(&line); err != nil {
			return nil, err
		}
		b, err := line.content(layout, shard)
		if err != nil {
			return nil, err
		}
		if known[b.Board] {
			return nil, fmt.Errorf("board %s is there twice", b.Board)
		}
		known[b.Board] = true
		s.Boards = append(s.Boards, b)
	}
	return s, nil
}

func (r *reader) decodeTail(lines *json.Decoder) error {
	var t tail
	if err := lines.Decode(&t); err != nil {
		return fmt.Errorf("its tail: %w", err)
	}
	c := r.contents
	if t.Boards != c.Boards || t.Entries != c.Entries {
		return fmt.Errorf("it should have %d boards with %d entries and has %d with %d", t.Boards, t.Entries, c.Boards, c.Entries)
	}
	c.Notes.Incomplete = t.Incomplete
	for _, h := range t.Holes {
		c.Notes.Holes = append(c.Notes.Holes, projector.Hole(h))
	}
	if _, err := lines.Token(); !errors.Is(err, io.EOF) {
		return errors.New("it goes on after its tail")
	}
	return nil
}
