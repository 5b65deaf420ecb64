package query

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// storedBoards is an embedded store, which knows less Lua than Redis does, and a
// store that reads it.
func storedBoards(t *testing.T) (*redis.Client, *store) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return client, &store{redis: client, lanes: newLanes(client, time.Minute), log: slog.New(slog.DiscardHandler), metrics: newMetrics(nil, func() float64 { return 0 })}
}

func descending(leaderboard.Board) leaderboard.Order { return leaderboard.Descending }

func TestReadsRunOnTheEmbeddedStore(t *testing.T) {
	client, s := storedBoards(t)
	layout := leaderboard.Layout{Generation: 1, Shards: 2}
	b := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	for user, value := range map[leaderboard.UserID]leaderboard.Value{7: 1500, 8: 2500, 300: -9} {
		member := leaderboard.Member(1000, user)
		client.ZAdd(t.Context(), layout.RankKey(b), redis.Z{Score: float64(value), Member: member[:]})
		client.HSet(t.Context(), layout.UsersKey(b), leaderboard.UserField(user), leaderboard.MemberTime(1000))
	}
	client.HSet(t.Context(), layout.BoardsKey(layout.Shard(b)), b.String(), 5000)
	client.HSet(t.Context(), leaderboard.ProfilesKey(1), leaderboard.MemberUser(300), "not a profile")

	none := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 5}
	standings, attributes, err := s.standings(t.Context(), layout, []leaderboard.Board{none, b}, descending, 300, []leaderboard.OrgID{1})
	if err != nil {
		t.Fatal(err)
	}
	if standings[0] != nil || !slices.Equal(attributes, rankFields.missing) {
		t.Errorf("standing %+v on a board that is not there, attributes %q of a record that is none", standings[0], attributes)
	}
	if st := standings[1]; st == nil || st.rank != 3 || st.total != 3 || *st.synced != 5000 || st.entry != (leaderboard.Entry{UserID: 300, Value: -9, LastActivity: 1000}) {
		t.Errorf("standing %+v", st)
	}
	begun := leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Ascending, Start: 1, End: 2}
	client.HSet(t.Context(), layout.RulesKey(layout.Shard(b)), b.String(), begun.String())
	standings, _, err = s.standings(t.Context(), layout, []leaderboard.Board{b}, descending, 300, nil)
	if err != nil || standings[0].entry.Value != 9 {
		t.Errorf("standing %+v on a board that was begun in another order than the catalog's, %v", standings[0], err)
	}
	client.HDel(t.Context(), layout.RulesKey(layout.Shard(b)), b.String())
	p, err := s.page(t.Context(), layout, b, descending, 0, 1, false)
	if err != nil || p.total != 3 || *p.synced != 5000 || len(p.entries) != 2 || p.entries[0].UserID != 8 || p.entries[1].UserID != 7 {
		t.Errorf("page %+v, %v", p, err)
	}
}

func TestOneBrokenBoardFailsNoOtherOfItsShard(t *testing.T) {
	client, s := storedBoards(t)
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	whole, broken := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}, leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 5}
	member := leaderboard.Member(1000, 7)
	for _, b := range []leaderboard.Board{whole, broken} {
		client.HSet(t.Context(), layout.UsersKey(b), leaderboard.UserField(7), leaderboard.MemberTime(1000))
	}
	client.ZAdd(t.Context(), layout.RankKey(whole), redis.Z{Score: 5, Member: member[:]})
	client.Set(t.Context(), layout.RankKey(broken), "no sorted set", 0)
	reads := []*read{
		boardRead(standingsScript, layout, whole, 1, memberArgs(7)), boardRead(standingsScript, layout, broken, 1, memberArgs(7)),
		boardRead(standingsScript, layout, whole, 1, memberArgs(8)),
	}
	if err := s.lanes.ask(t.Context(), reads); err != nil {
		t.Fatal(err)
	}
	if st, err := s.standing(reads[1], descending, 7); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("of the broken board is told %+v, %v", st, err)
	}
	if st, err := s.standing(reads[0], descending, 7); err != nil || st == nil || st.rank != 1 || st.entry.Value != 5 {
		t.Errorf("of the other board is told %+v, %v", st, err)
	}
	if st, err := s.standing(reads[2], descending, 8); err != nil || st != nil {
		t.Errorf("of a user who is not on it is told %+v, %v", st, err)
	}
}

func TestProfilesComeWithThePage(t *testing.T) {
	client, s := storedBoards(t)
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	first, second := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}, leaderboard.Board{Org: 2, Group: 3, Rule: 3, Period: 4}
	// Lua's numbers cannot hold all of these.
	users := []leaderboard.UserID{math.MaxInt64, 1<<53 + 1, 1 << 53, 256, 1}
	for i, user := range users {
		member := leaderboard.Member(leaderboard.MaxMillis, user)
		for _, b := range []leaderboard.Board{first, second} {
			client.ZAdd(t.Context(), layout.RankKey(b), redis.Z{Score: float64(-i), Member: member[:]})
			client.HSet(t.Context(), layout.UsersKey(b), leaderboard.UserField(user), leaderboard.MemberTime(leaderboard.MaxMillis))
			if user != 256 {
				client.HSet(t.Context(), leaderboard.ProfilesKey(b.Org), leaderboard.MemberUser(user), fmt.Sprintf("%d of %d", user, b.Org))
			}
		}
	}
	told := func(board leaderboard.Board, from int) []any {
		var profiles []any
		for _, user := range users[from:] {
			profiles = append(profiles, fmt.Sprintf("%d of %d", user, board.Org))
			if user == 256 {
				profiles[len(profiles)-1] = nil
			}
		}
		return profiles
	}
	for _, board := range []leaderboard.Board{first, second} {
		for _, size := range []int64{10, maxPartWithProfiles + 1} {
			p, err := s.page(t.Context(), layout, board, descending, 1, size, true)
			if err != nil || !slices.Equal(p.profiles, told(board, 1)) {
				t.Errorf("profiles %q from 1 to %d of board %s, %v; want %q", p.profiles, size, board, err, told(board, 1))
			}
		}
		if p, err := s.around(t.Context(), layout, board, descending, 1<<53, window{2, 100}, true); err != nil || !slices.Equal(p.profiles, told(board, 0)) {
			t.Errorf("profiles %q around a user on board %s, %v; want %q", p.profiles, board, err, told(board, 0))
		}
		if p, err := s.page(t.Context(), layout, board, descending, 0, 4, false); err != nil || p.profiles != nil || len(p.entries) != len(users) {
			t.Errorf("%+v where nobody asked for profiles, %v", p, err)
		}
	}
	client.Del(t.Context(), leaderboard.ProfilesKey(2))
	client.Set(t.Context(), leaderboard.ProfilesKey(2), "no hash", 0)
	if p, err := s.page(t.Context(), layout, second, descending, 0, 4, true); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("%+v where there are no profiles, %v", p, err)
	}
}
