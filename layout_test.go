package leaderboard

import (
	"cmp"
	"math"
	"strings"
	"testing"
)

func TestMemberBytes(t *testing.T) {
	got := Member(1, 2)
	want := [MemberSize]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd}
	if got != want {
		t.Errorf("Member(1, 2) = %x, want %x", got, want)
	}
}

// FuzzMember checks the round trip, and that the greater member is the earlier
// time, then the smaller user.
func FuzzMember(f *testing.F) {
	f.Add(int64(0), int64(1), int64(0), int64(2))
	f.Add(int64(1669392880000), int64(381329844), int64(1669392880001), int64(1))
	f.Add(int64(MaxMillis), int64(math.MaxInt64), int64(0), int64(1))
	f.Fuzz(func(t *testing.T, time1, user1, time2, user2 int64) {
		time1, time2 = time1&int64(MaxMillis), time2&int64(MaxMillis)
		user1, user2 = user1&math.MaxInt64, user2&math.MaxInt64
		a, b := Member(Millis(time1), UserID(user1)), Member(Millis(time2), UserID(user2))
		gotTime, gotUser, err := ParseMember(string(a[:]))
		if err != nil || int64(gotTime) != time1 || int64(gotUser) != user1 {
			t.Fatalf("member of %d, %d comes back as %d, %d (%v)", time1, user1, gotTime, gotUser, err)
		}
		want := cmp.Or(cmp.Compare(time1, time2), cmp.Compare(user1, user2))
		if got := strings.Compare(string(b[:]), string(a[:])); got != want {
			t.Fatalf("members of (%d, %d) and (%d, %d) compare as %d, want %d", time1, user1, time2, user2, got, want)
		}
	})
}

// FuzzState checks the round trip, and that the first half of the member is the state's time.
func FuzzState(f *testing.F) {
	f.Add(int64(1669392880000), int64(-21000), int64(7))
	f.Fuzz(func(t *testing.T, time, value, user int64) {
		time &= int64(MaxMillis)
		state := State(Millis(time), Value(value))
		gotTime, gotValue, err := ParseState(state)
		if err != nil || int64(gotTime) != time || int64(gotValue) != value {
			t.Fatalf("state of %d, %d comes back as %d, %d (%v)", time, value, gotTime, gotValue, err)
		}
		member := Member(Millis(time), UserID(user&math.MaxInt64))
		if state[:StateTimeSize] != string(member[:StateTimeSize]) {
			t.Fatalf("state %x does not begin as member %x", state, member)
		}
	})
}

func TestMalformedMembersAndStates(t *testing.T) {
	if _, _, err := ParseMember("short"); err == nil {
		t.Error("a short member is accepted")
	}
	if _, _, err := ParseMember(strings.Repeat("\xff", MemberSize)); err == nil {
		t.Error("a member of negative ids is accepted")
	}
	for _, s := range []string{"", "12345678", "12345678x", "\xff2345678" + "1"} {
		if _, _, err := ParseState(s); err == nil {
			t.Errorf("state %q is accepted", s)
		}
	}
}

func TestKeysOfAShardShareASlot(t *testing.T) {
	l := Layout{Generation: 3, Shards: 16}
	b := Board{Org: 50711, Group: 232, Rule: 366, Period: 243}
	shard := l.Shard(b)
	tag := l.FenceKey(shard)
	tag = tag[:strings.Index(tag, "}")+1]
	for _, key := range []string{l.RankKey(b), l.UsersKey(b), l.BoardsKey(shard)} {
		if !strings.HasPrefix(key, tag) {
			t.Errorf("key %s is not of %s", key, tag)
		}
	}
	if want := ":rank:50711:232:366:243"; !strings.HasSuffix(l.RankKey(b), want) {
		t.Errorf("key %s does not end in %s", l.RankKey(b), want)
	}
}

func TestShardsAreAllUsed(t *testing.T) {
	l := Layout{Generation: 1, Shards: 16}
	used := map[int]int{}
	for rule := range 1000 {
		shard := l.Shard(Board{Org: 1, Group: 2, Rule: TargetRuleID(rule + 1), Period: 3})
		if shard < 0 || shard >= l.Shards {
			t.Fatalf("shard %d is out of range", shard)
		}
		used[shard]++
	}
	for shard := range l.Shards {
		if used[shard] < 30 {
			t.Errorf("shard %d has %d of 1000 boards", shard, used[shard])
		}
	}
}

func TestBoardNames(t *testing.T) {
	b := Board{Org: 50711, Group: 232, Rule: 366, Period: 243}
	if got, err := ParseBoard(b.String()); err != nil || got != b {
		t.Errorf("%v comes back as %v (%v)", b, got, err)
	}
	for _, s := range []string{"", "1:2:3", "1:2:3:4:5", "1:2:3:x", "0:1:2:3", "1:2:-3:4"} {
		if _, err := ParseBoard(s); err == nil {
			t.Errorf("board %q is accepted", s)
		}
	}
}
