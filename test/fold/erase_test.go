package fold

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/test/servers"
)

// TestEraseBeginsNoBoard erases a user whose one activity was passed over, and
// another who stands on a board that the same batch begins.
func TestEraseBeginsNoBoard(t *testing.T) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
	defer client.Close()
	boards := newBoards(t, client)
	if _, err := boards.Resume(ctx, leaderboard.Extent{End: 5}); err != nil {
		t.Fatal(err)
	}
	off := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	on := leaderboard.Board{Org: 1, Group: 2, Rule: 4, Period: 4}
	rule := leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Ascending}
	outcome, err := boards.Apply(ctx, leaderboard.Batch{To: 5, Records: []leaderboard.Record{
		{Offset: 0, Board: off, Type: leaderboard.TypePassedOver},
		{Offset: 1, Board: on, Rule: rule, Type: leaderboard.TypeActivity, UserID: 6, Value: 5, Published: 1},
		{Offset: 2, Board: on, Rule: rule, Type: leaderboard.TypeActivity, UserID: 7, Value: 5, Published: 1},
		{Offset: 3, Board: leaderboard.Board{Org: 1}, Type: leaderboard.TypeErase, UserID: 6},
		{Offset: 4, Board: leaderboard.Board{Org: 2}, Type: leaderboard.TypeErase, UserID: 7},
	}})
	if want := (leaderboard.Outcome{Applied: 4, PassedOver: 1}); err != nil || outcome != want {
		t.Fatalf("the outcome is %+v (%v), want %+v", outcome, err, want)
	}
	if got := readRanking(t, client, on, true); len(got) != 1 || got[0].User != 7 {
		t.Errorf("the board is %+v, want user 7", got)
	}
	for _, key := range []string{generationOne.RulesKey(generationOne.Shard(off)), generationOne.BoardsKey(generationOne.Shard(off))} {
		if there, err := client.HExists(ctx, key, off.String()).Result(); err != nil || there {
			t.Errorf("%s has the board that is off (%v)", key, err)
		}
	}
}
