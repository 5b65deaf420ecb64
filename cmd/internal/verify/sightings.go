package verify

import (
	"hash/maphash"

	"leaderboard"
)

// The projector remembers the latest event ids of a partition on a shard: always
// the latest surelySeen of them, and none that lies surelyForgotten of them back.
// What it remembers between the two hangs on how the records came to it.
const (
	surelySeen      = 20_000
	surelyForgotten = 2 * (surelySeen + 2_000)
)

// repeat says whether a record is an event that came before.
type repeat int

const (
	// firstTime is of an event that counts.
	firstTime repeat = iota
	// sameEvent is of one that does not.
	sameEvent
	// lateRepeat is of one that came so long before that it may count or not.
	lateRepeat
)

// sightings are the latest events of a partition on a shard.
type sightings struct {
	window leaderboard.Millis
	seed   maphash.Seed
	events map[uint64]sighting
	// order has the events of the latest sightings, each at its number modulo
	// surelyForgotten.
	order []uint64
	count int
}

// sighting is when an event counted, and as the how manieth.
type sighting struct {
	published leaderboard.Millis
	number    int
}

// event is what tells events apart.
type event struct {
	board leaderboard.Board
	user  leaderboard.UserID
	id    string
}

func newSightings(window leaderboard.Millis) *sightings {
	return &sightings{window: window, seed: maphash.MakeSeed(), events: map[uint64]sighting{}}
}

// look tells whether the record repeats an event, and remembers it if not.
func (s *sightings) look(r *leaderboard.Record) repeat {
	if s.window == 0 || r.EventID == "" {
		return firstTime
	}
	hash := maphash.Comparable(s.seed, event{r.Board, r.UserID, r.EventID})
	if before, known := s.events[hash]; known && max(r.Published-before.published, before.published-r.Published) <= s.window {
		if s.count-before.number > surelySeen {
			return lateRepeat
		}
		return sameEvent
	}
	s.remember(hash, r.Published)
	return firstTime
}

func (s *sightings) remember(hash uint64, published leaderboard.Millis) {
	place := s.count % surelyForgotten
	if place == len(s.order) {
		s.order = append(s.order, hash)
	} else if oldest := s.order[place]; s.events[oldest].number == s.count-surelyForgotten {
		delete(s.events, oldest)
	}
	s.order[place] = hash
	s.events[hash] = sighting{published, s.count}
	s.count++
}
