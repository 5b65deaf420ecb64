package leaderboard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
)

// Layout says where the boards of one generation lie in Redis. It is the whole
// schema; nobody else makes a key or a member.
//
//	key (generation 1, shard 7)       type        holds
//	lb:{1.7}:rank:<board>             sorted set  score: Value.Score; member: Member
//	lb:{1.7}:users:<board>            hash        UserField → the member's time, MemberTime
//	lb:{1.7}:boards                   hash        board → lastSyncTime in ms
//	lb:{1.7}:rules                    hash        board → Rule that its records were folded by
//	lb:{1.7}:passed                   hash        board → number of its activities that were passed over
//	lb:{1.7}:fence                    hash        partition → next offset
//	lb:{1.7}:version                  string      changes whenever the shard does
//	lb:{1.7}:hold                     string      there while writers of the shard have to wait
//	lb:{1.7}:journal                  list        what the last transactions changed, the last one first; expires
//	lb:{1.7}:seen                     hash        partition → which half of its event ids is filled, since when
//	lb:{1.7}:seen:<partition>:<half>  hash        digest of an event id → publish time in ms; half is 0 or 1
//	lb:{1.7}:new:<attempt>:…          as rank and users, the new content of a board while it is gathered; expires
//	lb:meta                           hash        see the fields that begin with Meta
//	lb:{catalog}:records              hash        Kafka key → JSON as in the topic
//	lb:{profiles}:<org>               hash        MemberUser → JSON as in the topic
//	lb:{catalog}:fence                hash        partition → next offset
//	lb:{profiles}:fence               hash        partition → next offset
//
// All keys of a shard carry one hash tag: one slot, one node, one atomic write.
// A board's lastSyncTime is the latest publish time (the Kafka timestamp) among
// the records folded into it, so that it too is a function of the log.
type Layout struct {
	Generation int
	Shards     int
}

// MetaKey holds what is known of the generations, in the fields below.
const MetaKey = "lb:meta"

// MetaRead is the field with the generation that readers use.
const MetaRead = "read"

// MetaShards is the field with the number of shards of a generation.
func MetaShards(generation int) string { return "shards:" + strconv.Itoa(generation) }

// MetaBegun is the field that is there once every shard has a fence of a partition.
func MetaBegun(generation, partition int) string {
	return fmt.Sprintf("%s%d", MetaBegunPrefix(generation), partition)
}

// MetaBegunPrefix is how the MetaBegun fields of a generation begin.
func MetaBegunPrefix(generation int) string { return fmt.Sprintf("begun:%d:", generation) }

// MetaIncomplete is the field that is there while a partition is being read again
// from its start into a generation; it holds the offset at which that is over.
func MetaIncomplete(generation, partition int) string {
	return fmt.Sprintf("%s%d", MetaIncompletePrefix(generation), partition)
}

// MetaIncompletePrefix is how the MetaIncomplete fields of a generation begin.
func MetaIncompletePrefix(generation int) string { return fmt.Sprintf("incomplete:%d:", generation) }

// MetaHole is the field for a range of a partition that was deleted from the log
// before it was read: it begins at from, and the field holds the offset after it.
func MetaHole(generation, partition int, from int64) string {
	return fmt.Sprintf("%s%d:%d", MetaHolePrefix(generation), partition, from)
}

// MetaHolePrefix is how the MetaHole fields of a generation begin.
func MetaHolePrefix(generation int) string { return fmt.Sprintf("hole:%d:", generation) }

// Keys of the compacted topics' projections.
const (
	CatalogKey       = "lb:{catalog}:records"
	CatalogFenceKey  = "lb:{catalog}:fence"
	ProfilesFenceKey = "lb:{profiles}:fence"
)

// ProfilesKey is the hash of an organisation's profiles. Its fields are [MemberUser], so
// that a script finds the profiles of a page without computing.
func ProfilesKey(org OrgID) string { return "lb:{profiles}:" + strconv.FormatInt(int64(org), 10) }

// Shard is the shard a board belongs to.
func (l Layout) Shard(b Board) int { return l.shardOf(b.append(make([]byte, 0, 48))) }

func (l Layout) shardOf(board []byte) int {
	h := fnv.New64a()
	_, _ = h.Write(board)
	return int(h.Sum64() % uint64(l.Shards))
}

// RankKey is the board's sorted set.
func (l Layout) RankKey(b Board) string { return l.boardKey("rank:", b) }

// UsersKey is the hash of the times of the board's members, by user.
func (l Layout) UsersKey(b Board) string { return l.boardKey("users:", b) }

// BoardsKey is the shard's registry of boards with their lastSyncTime.
func (l Layout) BoardsKey(shard int) string { return l.key(shard, "boards") }

// RulesKey holds the rule that each board of the shard was begun with.
func (l Layout) RulesKey(shard int) string { return l.key(shard, "rules") }

// PassedKey counts the activities that were passed over, by board.
func (l Layout) PassedKey(shard int) string { return l.key(shard, "passed") }

// FenceKey is how far the shard has come, by partition.
func (l Layout) FenceKey(shard int) string { return l.key(shard, "fence") }

// VersionKey is what a writer watches between reading and writing.
func (l Layout) VersionKey(shard int) string { return l.key(shard, "version") }

// HoldKey makes the writers of a shard wait while it exists.
func (l Layout) HoldKey(shard int) string { return l.key(shard, "hold") }

// JournalKey tells the writers of the shard what the others have changed.
func (l Layout) JournalKey(shard int) string { return l.key(shard, "journal") }

// SeenKey says which half of a partition's event ids is being filled.
func (l Layout) SeenKey(shard int) string { return l.key(shard, "seen") }

// SeenHalfKey holds the event ids of a partition; the two halves take turns.
func (l Layout) SeenHalfKey(shard, partition, half int) string {
	return l.key(shard, fmt.Sprintf("seen:%d:%d", partition, half))
}

func (l Layout) boardKey(kind string, b Board) string {
	key := append(l.prefix(make([]byte, 0, 96), l.Shard(b)), kind...)
	return string(b.append(key))
}

func (l Layout) key(shard int, rest string) string {
	return string(append(l.prefix(make([]byte, 0, 96), shard), rest...))
}

func (l Layout) prefix(key []byte, shard int) []byte {
	key = strconv.AppendInt(append(key, "lb:{"...), int64(l.Generation), 10)
	key = strconv.AppendInt(append(key, '.'), int64(shard), 10)
	return append(key, "}:"...)
}

const (
	// MemberSize is the length of a sorted-set member: the time in 6 bytes and the
	// user in 8, both subtracted from the greatest there are, big endian. For equal
	// scores ZREVRANGE gives the greater member first, that is the earlier time,
	// then the smaller user.
	MemberSize = MemberTimeSize + 8
	// MemberTimeSize is the length of the time with which a member begins.
	MemberTimeSize = 6
)

// Member encodes a sorted-set member. The time lies between 0 and [MaxMillis].
func Member(t Millis, u UserID) [MemberSize]byte {
	var m [MemberSize]byte
	binary.BigEndian.PutUint64(m[:8], uint64(MaxMillis-t)<<16)
	binary.BigEndian.PutUint64(m[MemberTimeSize:], uint64(math.MaxInt64-int64(u)))
	return m
}

// ParseMember is the inverse of [Member].
func ParseMember(s string) (Millis, UserID, error) {
	if len(s) != MemberSize {
		return 0, 0, fmt.Errorf("a member has %d bytes, not %d", MemberSize, len(s))
	}
	t, err := ParseMemberTime(s[:MemberTimeSize])
	u := math.MaxInt64 - int64(binary.BigEndian.Uint64([]byte(s[MemberTimeSize:])))
	if u < 0 {
		err = fmt.Errorf("a member of user %d is out of range", u)
	}
	return t, UserID(u), err
}

// MemberUser encodes the user with which the members of that user end.
func MemberUser(u UserID) string {
	m := Member(0, u)
	return string(m[MemberTimeSize:])
}

// MemberTime encodes the time with which the members of that time begin. With the
// user it is all that is needed to find an entry, whose value is the member's score.
func MemberTime(t Millis) string {
	m := Member(t, 0)
	return string(m[:MemberTimeSize])
}

// ParseMemberTime is the inverse of [MemberTime].
func ParseMemberTime(s string) (Millis, error) {
	if len(s) != MemberTimeSize {
		return 0, fmt.Errorf("a member's time has %d bytes, not %d", MemberTimeSize, len(s))
	}
	var eight [8]byte
	copy(eight[2:], s)
	return MaxMillis - Millis(binary.BigEndian.Uint64(eight[:])), nil
}

// UserField encodes a user for [Layout.UsersKey]: the id big endian, without the
// zeros in front. Redis keeps short fields in less memory.
func UserField(u UserID) string {
	var eight [8]byte
	binary.BigEndian.PutUint64(eight[:], uint64(u))
	return string(bytes.TrimLeft(eight[:], "\x00"))
}

// ParseUserField is the inverse of [UserField].
func ParseUserField(s string) (UserID, error) {
	if s == "" || len(s) > 8 || s[0] == 0 {
		return 0, fmt.Errorf("%x is not the field of a user", s)
	}
	var eight [8]byte
	copy(eight[8-len(s):], s)
	u := UserID(binary.BigEndian.Uint64(eight[:]))
	if u < 0 {
		return 0, fmt.Errorf("a field of user %d is out of range", u)
	}
	return u, nil
}
