package query

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

func aroundRequest(user, rawQuery string) *http.Request {
	r := topRequest("7", rawQuery)
	r.SetPathValue("userId", user)
	return r
}

func TestAroundParametersNameTheWindow(t *testing.T) {
	for _, c := range []struct {
		query         string
		before, after int64
		warnings      []string
	}{
		{"targetId=1", 5, 5, nil},
		{"targetId=1&before=&after=", 5, 5, nil},
		{"targetId=1&before=0&after=100", 0, 100, nil},
		{"targetId=1&before=101", 100, 5, []string{"Before can not be more than 100, capping before to 100"}},
		{"targetId=1&after=99999999999999999999", 5, 100, []string{"After can not be more than 100, capping after to 100"}},
		{"targetId=1&before=200&after=200", 100, 100, []string{"Before can not be more than 100, capping before to 100", "After can not be more than 100, capping after to 100"}},
	} {
		p, err := parseAroundParameters(aroundRequest("9", c.query))
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		w, warnings := p.window.capped()
		if p.user != 9 || p.group != 7 || p.rule != 1 || w != (window{c.before, c.after}) || !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s: %+v, window %+v, warnings %q", c.query, p, w, warnings)
		}
		if want := c.before + c.after + 1; w.size() != want {
			t.Errorf("%s: room for %d entries, want %d", c.query, w.size(), want)
		}
	}
}

func TestAroundParametersTellTheFirstMistake(t *testing.T) {
	for _, c := range []struct{ user, query, want string }{
		{"0", "a;b", "310011: Invalid userId"},
		{"1", "a;b", "300004: Invalid input: the query string is malformed"},
		{"1", "before=-1", "300004: Invalid input: targetId is missing"},
		{"1", "targetId=1&periodId=x&before=-1", "300004: Invalid input: periodId must be a whole number"},
		{"1", "targetId=1&before=-1&after=x", "300004: Invalid input: before must not be negative"},
		{"1", "targetId=1&before=x", "300004: Invalid input: before must be a whole number"},
		{"1", "targetId=1&after=-99999999999999999999", "300004: Invalid input: after must not be negative"},
		{"1", "targetId=1&after=1.5", "300004: Invalid input: after must be a whole number"},
	} {
		_, err := parseAroundParameters(aroundRequest(c.user, c.query))
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("user %s, %q: %s, want %s", c.user, c.query, got, c.want)
		}
	}
}

func TestAroundRunsOnTheEmbeddedStore(t *testing.T) {
	client, s := storedBoards(t)
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	board, absent := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}, leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 5}
	for user := leaderboard.UserID(1); user <= 9; user++ {
		member := leaderboard.Member(1000, user)
		client.ZAdd(t.Context(), layout.RankKey(board), redis.Z{Score: -float64(user), Member: member[:]})
		client.HSet(t.Context(), layout.UsersKey(board), leaderboard.UserField(user), leaderboard.MemberTime(1000))
	}
	client.HSet(t.Context(), layout.BoardsKey(0), board.String(), 5000)

	p, err := s.around(t.Context(), layout, board, descending, 4, window{2, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []leaderboard.Entry{{UserID: 2, Value: -2, LastActivity: 1000}, {UserID: 3, Value: -3, LastActivity: 1000}, {UserID: 4, Value: -4, LastActivity: 1000}, {UserID: 5, Value: -5, LastActivity: 1000}}
	if p.ahead != 1 || p.total != 9 || *p.synced != 5000 || !slices.Equal(p.entries, want) {
		t.Errorf("%+v", p)
	}
	begun := leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Ascending, Start: 1, End: 2}
	client.HSet(t.Context(), layout.RulesKey(0), board.String(), begun.String())
	if p, err = s.around(t.Context(), layout, board, descending, 1, window{100, 0}, false); err != nil || len(p.entries) != 1 || p.entries[0].Value != 1 {
		t.Errorf("%+v on a board that was begun in another order than the catalog's, %v", p, err)
	}
	if p, err = s.around(t.Context(), layout, board, descending, 10, window{5, 5}, false); err != nil || len(p.entries) != 0 || p.ahead != 0 || p.total != 9 || *p.synced != 5000 {
		t.Errorf("%+v for a user who is not on the board, %v", p, err)
	}
	if p, err = s.around(t.Context(), layout, absent, descending, 1, window{5, 5}, false); err != nil || len(p.entries) != 0 || p.total != 0 || p.synced != nil {
		t.Errorf("%+v on a board that is not there, %v", p, err)
	}
}

func TestWindowsOfOneShardShareACommand(t *testing.T) {
	client, s := storedBoards(t)
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	whole, broken := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}, leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 5}
	for user := leaderboard.UserID(1); user <= 3; user++ {
		member := leaderboard.Member(1000, user)
		client.ZAdd(t.Context(), layout.RankKey(whole), redis.Z{Score: float64(user), Member: member[:]})
		client.HSet(t.Context(), layout.UsersKey(whole), leaderboard.UserField(user), leaderboard.MemberTime(1000))
	}
	client.HSet(t.Context(), layout.UsersKey(broken), leaderboard.UserField(1), leaderboard.MemberTime(1000))
	client.Set(t.Context(), layout.RankKey(broken), "no sorted set", 0)
	first, wrong, second := aroundRead(layout, whole, 3, window{9, 0}), aroundRead(layout, broken, 1, window{1, 1}), aroundRead(layout, whole, 2, window{0, 1})
	if err := s.lanes.ask(t.Context(), []*read{first, wrong, second}); err != nil {
		t.Fatal(err)
	}
	if p, err := s.partOf(wrong, descending); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("of the broken board is told %+v, %v", p, err)
	}
	for r, want := range map[*read]string{first: "0 [3] of 3", second: "1 [2 1] of 3"} {
		p, err := s.partOf(r, descending)
		if err != nil {
			t.Fatal(err)
		}
		var users []leaderboard.UserID
		for _, e := range p.entries {
			users = append(users, e.UserID)
		}
		if got := fmt.Sprintf("%v %v of %d", r.replies[partReplies], users, p.total); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if _, err := s.around(t.Context(), layout, broken, descending, 1, window{1, 1}, false); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("the broken board is read with %v", err)
	}
}
