package snapshot

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"

	"leaderboard/projector"
)

// writer writes the parts of a snapshot in their order: its head, shard by shard,
// its end.
type writer struct {
	sink     io.Writer
	sum      hash.Hash
	frame    *zstd.Encoder
	lines    *json.Encoder
	contents *Contents
}

func newWriter(sink io.Writer, h head) (*writer, error) {
	w := &writer{sink: sink, sum: sha256.New(), contents: newContents(h)}
	summed := io.MultiWriter(sink, w.sum)
	if _, err := io.WriteString(summed, magic); err != nil {
		return nil, err
	}
	var err error
	if w.frame, err = zstd.NewWriter(summed); err != nil {
		return nil, err
	}
	w.lines = json.NewEncoder(w.frame)
	return w, w.lines.Encode(h)
}

func (w *writer) shard(number int, s *projector.ShardSnapshot) error {
	lines := []any{newShardLine(number, s)}
	for _, partition := range slices.Sorted(maps.Keys(s.Seen)) {
		lines = append(lines, newSeenLine(partition, s.Seen[partition]))
	}
	for _, line := range lines {
		if err := w.lines.Encode(line); err != nil {
			return err
		}
	}
	for _, b := range s.Boards {
		if err := w.lines.Encode(newBoardLine(b)); err != nil {
			return err
		}
	}
	w.contents.add(s)
	return nil
}

func (w *writer) end(notes projector.Notes) (*Contents, error) {
	w.contents.Notes = notes
	if err := errors.Join(w.lines.Encode(newTail(w.contents, notes)), w.frame.Close()); err != nil {
		return nil, err
	}
	_, err := w.sink.Write(w.sum.Sum(nil))
	return w.contents, err
}
