package leaderboard

import (
	"cmp"
	"math"
	"strings"
	"testing"
)

func TestMemberBytes(t *testing.T) {
	got := Member(1, 2)
	want := [MemberSize]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd}
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

// FuzzMemberTime checks the round trip, and that members are their time and their user.
func FuzzMemberTime(f *testing.F) {
	f.Add(int64(1669392880000), int64(7))
	f.Fuzz(func(t *testing.T, time, user int64) {
		time &= int64(MaxMillis)
		text := MemberTime(Millis(time))
		if got, err := ParseMemberTime(text); err != nil || int64(got) != time {
			t.Fatalf("time %d comes back as %d (%v)", time, got, err)
		}
		member := Member(Millis(time), UserID(user&math.MaxInt64))
		if !strings.HasPrefix(string(member[:]), text) {
			t.Fatalf("member %x does not begin with %x", member, text)
		}
		if end := MemberUser(UserID(user & math.MaxInt64)); text+end != string(member[:]) {
			t.Fatalf("member %x is not %x and %x", member, text, end)
		}
	})
}

// FuzzUserField checks the round trip, and that no two fields are of one user.
func FuzzUserField(f *testing.F) {
	f.Add(int64(1), "\x01")
	f.Add(int64(256), "\x00\x01")
	f.Add(int64(math.MaxInt64), "\x80\x00\x00\x00\x00\x00\x00\x00")
	f.Fuzz(func(t *testing.T, user int64, text string) {
		user = user&(math.MaxInt64-1) + 1
		field := UserField(UserID(user))
		if got, err := ParseUserField(field); err != nil || int64(got) != user || len(field) > 8 {
			t.Fatalf("user %d comes back from %x as %d (%v)", user, field, got, err)
		}
		if got, err := ParseUserField(text); err == nil && (got <= 0 || UserField(got) != text) {
			t.Fatalf("field %x is read as user %d", text, got)
		}
	})
}

func TestMalformedMembersAndFields(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("x", MemberSize+1), strings.Repeat("\xff", MemberSize)} {
		if _, _, err := ParseMember(s); err == nil {
			t.Errorf("member %q is accepted", s)
		}
	}
	for _, s := range []string{"", "12345", "1234567"} {
		if _, err := ParseMemberTime(s); err == nil {
			t.Errorf("member time %q is accepted", s)
		}
	}
	for _, s := range []string{"", "\x00\x01", "123456789", strings.Repeat("\xff", 8)} {
		if _, err := ParseUserField(s); err == nil {
			t.Errorf("user field %x is accepted", s)
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
