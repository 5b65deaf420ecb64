package projector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// Notes are what lb:meta says of a generation besides its shards.
type Notes struct {
	// DedupeWindow is as that of a [Generation].
	DedupeWindow *leaderboard.Millis
	// Begun are the partitions that every shard has a fence of.
	Begun []int
	// Incomplete are the partitions that are being read again from their start, with
	// the offset at which that is over.
	Incomplete map[int]int64
	Holes      []Hole
}

// ReadNotes reads where a generation lies and what is noted of it. Generation 0 is
// the one that is read.
func ReadNotes(ctx context.Context, client redis.UniversalClient, generation int) (leaderboard.Layout, Notes, error) {
	meta, err := client.HGetAll(ctx, leaderboard.MetaKey).Result()
	if err != nil {
		return leaderboard.Layout{}, Notes{}, fmt.Errorf("read %s: %w", leaderboard.MetaKey, err)
	}
	if generation == 0 {
		if generation, err = strconv.Atoi(meta[leaderboard.MetaRead]); err != nil {
			return leaderboard.Layout{}, Notes{}, fmt.Errorf("redis names no generation of boards to read (%s): see that a projector runs", leaderboard.MetaKey)
		}
	}
	shards, err := strconv.Atoi(meta[leaderboard.MetaShards(generation)])
	if err != nil {
		return leaderboard.Layout{}, Notes{}, fmt.Errorf("generation %d: %w", generation, ErrNoGeneration)
	}
	notes := Notes{Incomplete: map[int]int64{}}
	if notes.DedupeWindow, err = readDedupeWindow(meta, generation); err != nil {
		return leaderboard.Layout{}, Notes{}, err
	}
	for field, value := range meta {
		if err := notes.add(generation, field, value); err != nil {
			return leaderboard.Layout{}, Notes{}, fmt.Errorf("%s has a field %q with %q: %w", leaderboard.MetaKey, field, value, err)
		}
	}
	slices.Sort(notes.Begun)
	slices.SortFunc(notes.Holes, compareHoles)
	return leaderboard.Layout{Generation: generation, Shards: shards}, notes, nil
}

func compareHoles(a, b Hole) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.From, b.From))
}

// add takes a field of lb:meta; what concerns no partition of the generation it
// passes over.
func (n *Notes) add(generation int, field, value string) error {
	if text, ok := strings.CutPrefix(field, leaderboard.MetaBegunPrefix(generation)); ok {
		partition, err := strconv.Atoi(text)
		n.Begun = append(n.Begun, partition)
		return err
	}
	if text, ok := strings.CutPrefix(field, leaderboard.MetaIncompletePrefix(generation)); ok {
		var partition int
		var end int64
		_, err := fmt.Sscan(text+" "+value, &partition, &end)
		n.Incomplete[partition] = end
		return err
	}
	if text, ok := strings.CutPrefix(field, leaderboard.MetaHolePrefix(generation)); ok {
		var h Hole
		_, err := fmt.Sscanf(text+" "+value, "%d:%d %d", &h.Partition, &h.From, &h.To)
		n.Holes = append(n.Holes, h)
		return err
	}
	return nil
}

// fields are the notes as fields of lb:meta for a generation.
func (n *Notes) fields(generation int) map[string]any {
	fields := map[string]any{}
	if n.DedupeWindow != nil {
		fields[leaderboard.MetaDedupeWindow(generation)] = int64(*n.DedupeWindow)
	}
	for _, partition := range n.Begun {
		fields[leaderboard.MetaBegun(generation, partition)] = 1
	}
	for partition, end := range n.Incomplete {
		fields[leaderboard.MetaIncomplete(generation, partition)] = end
	}
	for _, h := range n.Holes {
		fields[leaderboard.MetaHole(generation, h.Partition, h.From)] = h.To
	}
	return fields
}

// ShardSnapshot is all that a shard holds at one moment, as [RestoreShard] puts it
// into another generation or another Redis.
type ShardSnapshot struct {
	// Fences are by partition, as those of [ShardContent].
	Fences map[int]int64
	// PassedOver counts the activities that came while their board was off.
	PassedOver map[leaderboard.Board]int64
	// Seen are the events that the shard knows, by partition.
	Seen   map[int]SeenEvents
	Boards []BoardSnapshot
}

// BoardSnapshot is a board of a [ShardSnapshot].
type BoardSnapshot struct {
	Board  leaderboard.Board
	Rule   leaderboard.Rule
	Synced leaderboard.Millis
	// Entries are by rising user.
	Entries []leaderboard.Entry
}

// SeenEvents are the events of a partition that would be passed over if they came
// once more.
type SeenEvents struct {
	// Filling is the half that takes new events, since the publish time Since.
	Filling int
	Since   leaderboard.Millis
	Halves  [2][]SeenEvent
}

// SeenEvent is an event with the time at which it was published.
type SeenEvent struct {
	Digest    []byte
	Published leaderboard.Millis
}

// SnapshotShard reads a shard at one moment, as [ReadShard] does. A board that does
// not agree with itself is refused.
func SnapshotShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, each func(entries int)) (*ShardSnapshot, error) {
	for range readAttempts {
		var snapshot *ShardSnapshot
		err := Hold(ctx, client, l, shard, func(ctx context.Context) (err error) {
			snapshot, err = snapshotShard(ctx, client, l, shard, each)
			return err
		})
		if !errors.Is(err, errMoved) {
			return snapshot, err
		}
	}
	return nil, fmt.Errorf("shard %d: %w, %d times over", shard, errMoved, readAttempts)
}

func snapshotShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, each func(int)) (*ShardSnapshot, error) {
	fences, err := ReadFences(ctx, client, l, shard)
	if err != nil {
		return nil, err
	}
	s := &ShardSnapshot{Fences: fences}
	if s.PassedOver, err = readPassedOver(ctx, client, l, shard); err != nil {
		return nil, err
	}
	if s.Seen, err = readSeen(ctx, client, l, shard); err != nil {
		return nil, err
	}
	all := func(registered []leaderboard.Board) []leaderboard.Board { return registered }
	content, err := readShard(ctx, client, l, shard, all, each)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(fences, content.Fences) {
		return nil, errMoved
	}
	byName := func(a, b leaderboard.Board) int { return strings.Compare(a.String(), b.String()) }
	for _, board := range slices.SortedFunc(maps.Keys(content.Boards), byName) {
		b, err := content.Boards[board].snapshot(board)
		if err != nil {
			return nil, err
		}
		s.Boards = append(s.Boards, b)
	}
	return s, nil
}

// snapshot is the board's content if its two halves agree.
func (b *BoardContent) snapshot(board leaderboard.Board) (BoardSnapshot, error) {
	isSound := b.Malformed == 0 && b.Rule != (leaderboard.Rule{}) && len(b.Times) == len(b.Members)
	entries := make([]leaderboard.Entry, 0, len(b.Members))
	for user, m := range b.Members {
		at, isTimed := b.Times[user]
		value := leaderboard.ValueOfScore(m.Score, b.Rule.Order)
		isSound = isSound && isTimed && at == m.Time && value.Score(b.Rule.Order) == m.Score
		entries = append(entries, leaderboard.Entry{UserID: user, Value: value, LastActivity: at})
	}
	if !isSound {
		return BoardSnapshot{}, fmt.Errorf("board %s is damaged in Redis: mend it with leaderboard verify --repair --board %s, then make the snapshot again", board, board)
	}
	slices.SortFunc(entries, func(a, b leaderboard.Entry) int { return cmp.Compare(a.UserID, b.UserID) })
	return BoardSnapshot{Board: board, Rule: b.Rule, Synced: b.Synced, Entries: entries}, nil
}

func readPassedOver(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) (map[leaderboard.Board]int64, error) {
	key := l.PassedKey(shard)
	counts, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	passedOver := make(map[leaderboard.Board]int64, len(counts))
	for name, text := range counts {
		board, err := leaderboard.ParseBoard(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if passedOver[board], err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("%s: board %s has the count %q", key, name, text)
		}
	}
	return passedOver, nil
}

// readSeen reads the events that a shard knows, by partition.
func readSeen(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) (map[int]SeenEvents, error) {
	key := l.SeenKey(shard)
	states, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	seen := make(map[int]SeenEvents, len(states))
	for text, state := range states {
		var s SeenEvents
		partition, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s has a partition %q", key, text)
		}
		if s.Filling, s.Since, err = parseFilling(state); err != nil {
			return nil, fmt.Errorf("%s: partition %d: %w", key, partition, err)
		}
		for half := range s.Halves {
			if s.Halves[half], err = readSeenHalf(ctx, client, l.SeenHalfKey(shard, partition, half)); err != nil {
				return nil, err
			}
		}
		seen[partition] = s
	}
	return seen, nil
}

func readSeenHalf(ctx context.Context, client redis.UniversalClient, key string) ([]SeenEvent, error) {
	published := map[string]leaderboard.Millis{}
	err := scan(ctx, client.HScan, key, func(pairs []string) error {
		for pair := range slices.Chunk(pairs, 2) {
			ms, err := strconv.ParseInt(pair[1], 10, 64)
			if err != nil || len(pair[0]) != len(digest{}) {
				return fmt.Errorf("%s holds an event that is malformed", key)
			}
			published[pair[0]] = leaderboard.Millis(ms)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	events := make([]SeenEvent, 0, len(published))
	for _, d := range slices.Sorted(maps.Keys(published)) {
		events = append(events, SeenEvent{Digest: []byte(d), Published: published[d]})
	}
	return events, nil
}
