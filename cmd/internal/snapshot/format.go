package snapshot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"leaderboard"
	"leaderboard/projector"
)

// A snapshot is the magic, a zstd frame, and the SHA-256 of both. In the frame are
// lines of JSON: a head, then for every shard a shardLine, its seenLines and its
// boardLines, then a tail. docs/snapshots.md describes it.

// magic names the format and, by its last two digits, the version of it.
const magic = "LBSNAP01"

type head struct {
	Generation int       `json:"generation"`
	Shards     int       `json:"shards"`
	Created    time.Time `json:"created"`
	// DedupeWindow is nil when no projector had settled it.
	DedupeWindow *leaderboard.Millis `json:"dedupeWindow,omitempty"`
	Begun        []int               `json:"begun"`
}

type shardLine struct {
	Shard      int              `json:"shard"`
	Fences     map[int]int64    `json:"fences"`
	PassedOver map[string]int64 `json:"passedOver"`
	Seen       int              `json:"seen"`
	Boards     int              `json:"boards"`
}

// seenLine is what a shard knows of a partition's events.
type seenLine struct {
	Partition int                `json:"partition"`
	Filling   int                `json:"filling"`
	Since     leaderboard.Millis `json:"since"`
	Halves    [2]seenHalf        `json:"halves"`
}

// seenHalf has a publish time for each digest.
type seenHalf struct {
	Digests   [][]byte             `json:"digests"`
	Published []leaderboard.Millis `json:"published"`
}

// boardLine has of each entry the user, the value in thousandths and the time of
// the last activity in ms, by rising user.
type boardLine struct {
	Board   string             `json:"board"`
	Rule    string             `json:"rule"`
	Synced  leaderboard.Millis `json:"synced"`
	Entries [][3]int64         `json:"entries"`
}

type tail struct {
	Boards     int           `json:"boards"`
	Entries    int           `json:"entries"`
	Incomplete map[int]int64 `json:"incomplete"`
	Holes      []hole        `json:"holes"`
}

type hole struct {
	Partition int   `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
}

func newShardLine(shard int, s *projector.ShardSnapshot) shardLine {
	line := shardLine{Shard: shard, Fences: s.Fences, PassedOver: map[string]int64{}, Seen: len(s.Seen), Boards: len(s.Boards)}
	for board, count := range s.PassedOver {
		line.PassedOver[board.String()] = count
	}
	return line
}

// content is the shard without its seen events and boards.
func (line *shardLine) content(layout leaderboard.Layout, shard int) (*projector.ShardSnapshot, error) {
	s := &projector.ShardSnapshot{Fences: line.Fences, PassedOver: map[leaderboard.Board]int64{}, Seen: map[int]projector.SeenEvents{}}
	if line.Shard != shard {
		return nil, fmt.Errorf("shard %d stands in the place of shard %d", line.Shard, shard)
	}
	for partition, next := range line.Fences {
		if partition < 0 || next < 0 {
			return nil, fmt.Errorf("shard %d: partition %d has the fence %d", shard, partition, next)
		}
	}
	for name, count := range line.PassedOver {
		board, err := boardOf(layout, shard, name)
		if err != nil {
			return nil, err
		}
		s.PassedOver[board] = count
	}
	return s, nil
}

func boardOf(layout leaderboard.Layout, shard int, name string) (leaderboard.Board, error) {
	board, err := leaderboard.ParseBoard(name)
	if err == nil && layout.Shard(board) != shard {
		err = fmt.Errorf("board %s does not belong to shard %d", name, shard)
	}
	return board, err
}

func newSeenLine(partition int, s projector.SeenEvents) seenLine {
	line := seenLine{Partition: partition, Filling: s.Filling, Since: s.Since}
	for i, events := range s.Halves {
		half := &line.Halves[i]
		for _, e := range events {
			half.Digests = append(half.Digests, e.Digest)
			half.Published = append(half.Published, e.Published)
		}
	}
	return line
}

func (line *seenLine) content() (projector.SeenEvents, error) {
	s := projector.SeenEvents{Filling: line.Filling, Since: line.Since}
	if line.Partition < 0 || line.Filling < 0 || line.Filling > 1 {
		return s, fmt.Errorf("the events of partition %d fill half %d", line.Partition, line.Filling)
	}
	for i, half := range line.Halves {
		if len(half.Digests) != len(half.Published) {
			return s, fmt.Errorf("%d events of partition %d have %d times", len(half.Digests), line.Partition, len(half.Published))
		}
		for j, digest := range half.Digests {
			s.Halves[i] = append(s.Halves[i], projector.SeenEvent{Digest: digest, Published: half.Published[j]})
		}
	}
	return s, nil
}

func newBoardLine(b projector.BoardSnapshot) boardLine {
	line := boardLine{Board: b.Board.String(), Rule: b.Rule.String(), Synced: b.Synced, Entries: make([][3]int64, len(b.Entries))}
	for i, e := range b.Entries {
		line.Entries[i] = [3]int64{int64(e.UserID), int64(e.Value), int64(e.LastActivity)}
	}
	return line
}

func (line *boardLine) content(layout leaderboard.Layout, shard int) (projector.BoardSnapshot, error) {
	b := projector.BoardSnapshot{Synced: line.Synced, Entries: make([]leaderboard.Entry, len(line.Entries))}
	var boardErr, ruleErr error
	b.Board, boardErr = boardOf(layout, shard, line.Board)
	b.Rule, ruleErr = leaderboard.ParseRule(line.Rule)
	if err := errors.Join(boardErr, ruleErr); err != nil {
		return b, err
	}
	if line.Synced <= 0 {
		return b, fmt.Errorf("board %s was synced at %d", line.Board, line.Synced)
	}
	before := leaderboard.UserID(0)
	for i, e := range line.Entries {
		entry := leaderboard.Entry{UserID: leaderboard.UserID(e[0]), Value: leaderboard.Value(e[1]), LastActivity: leaderboard.Millis(e[2])}
		isValid := entry.UserID > before && max(entry.Value, -entry.Value) <= leaderboard.MaxValue &&
			entry.LastActivity >= 0 && entry.LastActivity <= leaderboard.MaxMillis
		if !isValid {
			return b, fmt.Errorf("board %s has an entry that is out of order or range", line.Board)
		}
		b.Entries[i], before = entry, entry.UserID
	}
	return b, nil
}

func newTail(c *Contents, notes projector.Notes) tail {
	t := tail{Boards: c.Boards, Entries: c.Entries, Incomplete: notes.Incomplete, Holes: make([]hole, len(notes.Holes))}
	for i, h := range notes.Holes {
		t.Holes[i] = hole(h)
	}
	return t
}

// Contents is what a snapshot holds, in short.
type Contents struct {
	// Generation is the one that the snapshot was made of.
	Generation int
	Shards     int
	Created    time.Time
	Boards     int
	Entries    int
	Notes      projector.Notes
	// Next is by partition the first offset that a shard has yet to apply, Reached
	// the first one that all of them have.
	Next, Reached map[int]int64
}

func newContents(h head) *Contents {
	return &Contents{
		Generation: h.Generation, Shards: h.Shards, Created: h.Created,
		Notes: projector.Notes{DedupeWindow: h.DedupeWindow, Begun: h.Begun},
		Next:  map[int]int64{}, Reached: map[int]int64{},
	}
}

// add counts a shard in.
func (c *Contents) add(s *projector.ShardSnapshot) {
	c.Boards += len(s.Boards)
	for _, b := range s.Boards {
		c.Entries += len(b.Entries)
	}
	for partition, next := range s.Fences {
		c.Reached[partition] = max(c.Reached[partition], next)
		if !slices.Contains(c.Notes.Begun, partition) {
			next = 0 // some shard may have no fence of it
		}
		if lowest, known := c.Next[partition]; !known || next < lowest {
			c.Next[partition] = next
		}
	}
}

// lacksFence finds a partition that the shard should have a fence of.
func (c *Contents) lacksFence(s *projector.ShardSnapshot) (partition int, lacking bool) {
	for _, partition := range c.Notes.Begun {
		if _, there := s.Fences[partition]; !there {
			return partition, true
		}
	}
	return 0, false
}

// Partitions are those of which the snapshot has records.
func (c *Contents) Partitions() []int { return slices.Sorted(maps.Keys(c.Next)) }
