package projector

import "leaderboard"

// board is what is remembered of a board.
type board struct {
	name leaderboard.Board
	// rank and users are its keys, as arguments of commands.
	rank, users any
	begun       bool
	order       leaderboard.Order
	synced      leaderboard.Millis
	// places says where in the shard's slab the users' entries are.
	places map[leaderboard.UserID]uint32
	// complete is true when users without a place are not on the board: when there was
	// none at first. Otherwise they may have an entry in Redis.
	complete bool
	// change is what the cut does to the board that is being folded.
	change *change
}

// place is where an entry is remembered.
type place struct {
	entry
	// cut is the number of the last one that has touched the entry.
	cut uint64
}

// EntryBytes is about how much memory an entry takes that is remembered, see
// [Config]: its place, and a slot of a map that is between half full and full.
const EntryBytes = 64

// slab holds the places of a shard. There are no pointers in it, so that the garbage
// collector does not visit millions of entries.
type slab struct {
	blocks [][]place
	used   uint32
	// free are the numbers of places that are used no more.
	free []uint32
}

const slabBlock = 1024

// add gives a new place and its number.
func (s *slab) add() (uint32, *place) {
	if n := len(s.free); n > 0 {
		number := s.free[n-1]
		s.free = s.free[:n-1]
		p := s.at(number)
		*p = place{}
		return number, p
	}
	number := s.used
	if number%slabBlock == 0 {
		s.blocks = append(s.blocks, make([]place, slabBlock))
	}
	s.used++
	return number, s.at(number)
}

func (s *slab) at(number uint32) *place { return &s.blocks[number/slabBlock][number%slabBlock] }

// board gives what is remembered of a board, which may be nothing but its name.
func (s *shard) board(name leaderboard.Board) (b *board, isNew bool) {
	if b := s.boards[name]; b != nil {
		return b, false
	}
	b = &board{name: name, rank: s.layout.RankKey(name), users: s.layout.UsersKey(name), places: map[leaderboard.UserID]uint32{}}
	s.boards[name] = b
	return b, true
}

// place gives the place of a user's entry.
func (s *shard) place(b *board, user leaderboard.UserID) (p *place, isNew bool) {
	if number, known := b.places[user]; known {
		return s.slab.at(number), false
	}
	number, p := s.slab.add()
	b.places[user] = number
	s.projector.remembered.Add(1)
	return p, true
}

// drop forgets the entry of a user.
func (s *shard) drop(b *board, user leaderboard.UserID) {
	if number, known := b.places[user]; known {
		s.slab.free = append(s.slab.free, number)
		delete(b.places, user)
		s.projector.remembered.Add(-1)
	}
}

// forget makes the writer read all that it needs.
func (s *shard) forget() {
	s.projector.remembered.Add(int64(len(s.slab.free)) - int64(s.slab.used))
	s.version, s.boards, s.slab, s.last = "", map[leaderboard.Board]*board{}, slab{}, nil
}

// forgetIdle makes room: it forgets the shards that nobody writes to.
func (b *Boards) forgetIdle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.shards {
		s.mu.Lock()
		if !s.isWritten {
			s.forget()
		}
		s.mu.Unlock()
	}
}
