package projector

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// maxSeenEvents bounds the event ids that a shard keeps of a partition: at least
// the latest of this number, at most twice as many, some 100 bytes each.
const maxSeenEvents = 20_000

// digest stands for an event: an event id of a user on a board.
type digest [16]byte

func digestOf(r *leaderboard.Record) digest {
	h := sha256.New()
	_, _ = io.WriteString(h, r.Board.String())
	_, _ = io.WriteString(h, " "+strconv.FormatInt(int64(r.UserID), 10)+" "+r.EventID)
	return digest(h.Sum(nil)[:len(digest{})])
}

// event is a record with an event id.
type event struct {
	offset int64
	digest digest
}

// sightings are the events of one partition that a shard has seen, as far as a task
// needs them. They lie in two halves: when one is full, or as old as the window, the
// other is emptied and filled, so that what is in either is the latest.
type sightings struct {
	window    leaderboard.Millis
	partition int
	key       string
	halfKeys  [2]string
	// events are those of the task that were not looked at yet.
	events []event
	halves [2]map[digest]leaderboard.Millis
	// known is true when the rest was read: filling is the half that is filled; its first event came at since, and it
	// has so many.
	known   bool
	filling int
	since   leaderboard.Millis
	count   int64

	fresh    command
	commands []command
}

// newSightings is nil when nobody wants to know.
func newSightings(l leaderboard.Layout, shard, partition int, window leaderboard.Millis) *sightings {
	if window == 0 {
		return nil
	}
	return &sightings{
		window: window, partition: partition, key: l.SeenKey(shard),
		halfKeys: [2]string{l.SeenHalfKey(shard, partition, 0), l.SeenHalfKey(shard, partition, 1)},
		halves:   [2]map[digest]leaderboard.Millis{{}, {}},
		since:    -1,
	}
}

// eventsOf are the records that have an event id.
func eventsOf(records []leaderboard.Record) []event {
	var events []event
	for i := range records {
		if r := &records[i]; r.EventID != "" {
			events = append(events, event{r.Offset, digestOf(r)})
		}
	}
	return events
}

// read adds the commands that look events up, and gives what takes the answers.
func (s *sightings) read(p *pipeline, events []event) (takes []func() error) {
	if len(events) == 0 {
		return nil
	}
	if !s.known {
		state := p.do("hget", s.key, s.partition)
		counts := [2]*redis.Cmd{p.do("hlen", s.halfKeys[0]), p.do("hlen", s.halfKeys[1])}
		takes = append(takes, func() error { return s.takeState(state, counts) })
	}
	for half, key := range s.halfKeys {
		for some := range slices.Chunk(events, readFields) {
			fields := make([]any, len(some))
			for i := range some {
				fields[i] = some[i].digest[:]
			}
			found := p.hmget(key, fields)
			takes = append(takes, func() error { return s.takeHalf(half, some, found) })
		}
	}
	return append(takes, func() error {
		s.events = append(s.events, events...)
		return nil
	})
}

// fillingText is what the seen key holds of a partition: which half is filled, and
// when its first event was published.
func fillingText(half int, since leaderboard.Millis) string { return fmt.Sprintf("%d %d", half, since) }

// parseFilling is the inverse of fillingText.
func parseFilling(text string) (half int, since leaderboard.Millis, err error) {
	if _, err := fmt.Sscanf(text, "%d %d", &half, &since); err != nil || half < 0 || half > 1 {
		return 0, 0, fmt.Errorf("%q is not a half and a time", text)
	}
	return half, since, nil
}

func (s *sightings) takeState(state *redis.Cmd, counts [2]*redis.Cmd) error {
	s.known = true
	text, err := state.Text()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.filling, s.since, err = parseFilling(text); err != nil {
		return fmt.Errorf("%s: partition %d: %w", s.key, s.partition, err)
	}
	s.count, err = counts[s.filling].Int64()
	return err
}

func (s *sightings) takeHalf(half int, events []event, answer *redis.Cmd) error {
	values, err := answer.Slice()
	if err != nil {
		return err
	}
	for i, value := range values {
		text, found := value.(string)
		if !found {
			continue
		}
		published, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s has an event of %q", s.halfKeys[half], text)
		}
		if _, fresh := s.halves[half][events[i].digest]; !fresh {
			s.halves[half][events[i].digest] = leaderboard.Millis(published)
		}
	}
	return nil
}

// isRepeat tells whether an event of the task was seen before, and remembers it if
// not. It is asked in the order of the records.
func (s *sightings) isRepeat(r *leaderboard.Record) bool {
	for s.events[0].offset < r.Offset { // repeated records, which nobody asked about
		s.events = s.events[1:]
	}
	d := s.events[0].digest
	for _, half := range s.halves {
		before, seen := half[d]
		if apart := r.Published - before; seen && max(apart, -apart) <= s.window {
			return true
		}
	}
	s.remember(d, r.Published)
	return false
}

func (s *sightings) remember(d digest, published leaderboard.Millis) {
	if s.since < 0 {
		s.since = published
	}
	if s.count >= maxSeenEvents || published-s.since > s.window {
		s.flush()
		s.filling, s.since, s.count = 1-s.filling, published, 0
		clear(s.halves[s.filling])
		s.commands = append(s.commands, command{"unlink", s.halfKeys[s.filling]})
	}
	s.halves[s.filling][d] = published
	s.count++
	if s.fresh == nil {
		s.fresh = command{"hset", s.halfKeys[s.filling]}
	}
	s.fresh = append(s.fresh, d[:], int64(published))
}

func (s *sightings) flush() {
	if s.fresh != nil {
		s.commands = append(s.commands, s.fresh)
		s.fresh = nil
	}
}

// written gives the commands that remember what was seen since it was last called.
func (s *sightings) written() []command {
	s.flush()
	commands := s.commands
	s.commands = nil
	if len(commands) > 0 {
		commands = append(commands, command{"hset", s.key, s.partition, fillingText(s.filling, s.since)})
	}
	return commands
}
