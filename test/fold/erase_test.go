package fold

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/projector"
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

// TestEraseEmptiesTheJournal looks at what two writers have told each other of a user.
func TestEraseEmptiesTheJournal(t *testing.T) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: servers.Redis(t), MaxRetries: -1})
	defer client.Close()
	writers := []*projector.Boards{newBoards(t, client), newBoards(t, client)}
	for partition, boards := range writers {
		if _, err := boards.Resume(ctx, leaderboard.Extent{Partition: partition, End: 5}); err != nil {
			t.Fatal(err)
		}
	}
	board := leaderboard.Board{Org: 1, Group: 2, Rule: 4, Period: 4}
	journal := generationOne.JournalKey(generationOne.Shard(board))
	write := func(offset int64, r leaderboard.Record) {
		r.Offset, r.UserID, r.Published = offset, 6, 1
		for partition, boards := range writers {
			batch := leaderboard.Batch{Partition: partition, From: offset, To: offset + 1, Records: []leaderboard.Record{r}}
			if _, err := boards.Apply(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	activity := leaderboard.Record{Board: board, Rule: leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Descending}, Type: leaderboard.TypeActivity, Value: 5}
	for offset := range int64(3) {
		write(offset, activity)
	}
	if entries, err := client.LLen(ctx, journal).Result(); err != nil || entries == 0 {
		t.Fatalf("the journal has %d entries (%v)", entries, err)
	}
	if ttl, err := client.PTTL(ctx, journal).Result(); err != nil || ttl <= 0 {
		t.Errorf("the journal expires in %s (%v)", ttl, err)
	}
	write(3, leaderboard.Record{Board: leaderboard.Board{Org: 1}, Type: leaderboard.TypeErase})
	if there, err := client.Exists(ctx, journal).Result(); err != nil || there > 0 {
		t.Errorf("the journal is there after the erasure (%v)", err)
	}
	write(4, activity)
	if got := readRanking(t, client, board, false); len(got) != 1 || got[0].Milli != 10 {
		t.Errorf("the board is %+v, want the two activities after the erasure", got)
	}
}
