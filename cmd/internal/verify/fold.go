package verify

import (
	"leaderboard"
)

// shardFold is what the boards of one shard are to hold.
type shardFold struct {
	// next is, by partition, the first offset that is not folded yet, and end the
	// one to stop before.
	next, end map[int]int64
	// seen are the events, by partition.
	seen   map[int]*sightings
	boards map[leaderboard.Board]*boardFold
}

func newShardFold(end map[int]int64) *shardFold {
	return &shardFold{next: map[int]int64{}, end: end, seen: map[int]*sightings{}, boards: map[leaderboard.Board]*boardFold{}}
}

// lacks tells whether a record of that place is still to be folded.
func (s *shardFold) lacks(partition int, offset int64) bool {
	return s.next[partition] <= offset && offset < s.end[partition]
}

// take folds a record.
func (s *shardFold) take(p placed) {
	if p.Type == leaderboard.TypeErase {
		s.erase(p)
		return
	}
	b := s.boards[p.Board]
	if b == nil {
		b = newBoardFold()
		s.boards[p.Board] = b
	}
	b.take(p)
}

// erase takes a user off all boards of an organisation.
func (s *shardFold) erase(p placed) {
	for name, b := range s.boards {
		if known, ok := b.standings[p.UserID]; ok && name.Org == p.Board.Org {
			known.onBoard = false
			known.severalPartitions = known.severalPartitions || known.partition != p.partition
			b.standings[p.UserID] = known
		}
	}
}

// boardFold is what one board is to hold.
type boardFold struct {
	// synced is the latest publish time of its records.
	synced    leaderboard.Millis
	records   int
	standings map[leaderboard.UserID]standing
}

// standing is what the records of one user come to.
type standing struct {
	onBoard bool
	value   leaderboard.Value
	time    leaderboard.Millis

	partition         int
	severalPartitions bool
	lateRepeat        bool
}

func newBoardFold() *boardFold {
	return &boardFold{standings: map[leaderboard.UserID]standing{}}
}

func (b *boardFold) take(p placed) {
	s, known := b.standings[p.UserID]
	if known && s.partition != p.partition {
		s.severalPartitions = true
	}
	s.partition = p.partition
	if p.repeat == lateRepeat {
		s.lateRepeat = true
	} else {
		b.records++
		b.synced = max(b.synced, p.Published)
		s.take(&p.Record)
	}
	b.standings[p.UserID] = s
}

func (s *standing) take(r *leaderboard.Record) {
	switch {
	case r.Type == leaderboard.TypeWithdraw:
		s.onBoard = false
	case r.Type == leaderboard.TypeEnrol:
		if !s.onBoard {
			s.set(0, r.Time)
		}
	case !s.onBoard:
		s.set(r.Value, r.Time)
	case r.Type == leaderboard.TypeTotal || r.Aggregate == leaderboard.Latest:
		if r.Time >= s.time {
			s.set(r.Value, r.Time)
		}
	default:
		s.set(enter(r.Aggregate, s.value, r.Value), max(s.time, r.Time))
	}
}

func (s *standing) set(value leaderboard.Value, time leaderboard.Millis) {
	s.onBoard, s.value, s.time = true, value, time
}

// enter brings a value into an aggregate.
func enter(how leaderboard.Aggregate, present, value leaderboard.Value) leaderboard.Value {
	switch how {
	case leaderboard.Max:
		return max(present, value)
	case leaderboard.Min:
		return min(present, value)
	default:
		return max(-leaderboard.MaxValue, min(leaderboard.MaxValue, present+value))
	}
}

// entry is the user's entry; absent users have none.
func (b *boardFold) entry(user leaderboard.UserID) (entry leaderboard.Entry, onBoard bool) {
	s := b.standings[user]
	if !s.onBoard {
		return leaderboard.Entry{}, false
	}
	return leaderboard.Entry{UserID: user, Value: s.value, LastActivity: s.time}, true
}

// each visits the entries.
func (b *boardFold) each(visit func(leaderboard.Entry) bool) {
	for user := range b.standings {
		if entry, onBoard := b.entry(user); onBoard && !visit(entry) {
			return
		}
	}
}

// entries counts them.
func (b *boardFold) entries() int {
	n := 0
	for range b.each {
		n++
	}
	return n
}
