package verify

import (
	"bytes"
	"math"
	"testing"

	"leaderboard"
	"leaderboard/projector"
)

// TestReportInWords compares a board on which everything differs that can.
func TestReportInWords(t *testing.T) {
	board := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	want := newBoardFold()
	for user := leaderboard.UserID(1); user <= 6; user++ {
		want.take(placed{Record: leaderboard.Record{Type: leaderboard.TypeTotal, UserID: user, Value: 1500, Time: 1000, Published: 9000}})
	}
	want.take(placed{partition: 1, Record: leaderboard.Record{Type: leaderboard.TypeTotal, UserID: 5, Value: 1500, Time: 1000, Published: 9000}})
	want.take(placed{repeat: lateRepeat, Record: leaderboard.Record{Type: leaderboard.TypeTotal, UserID: 6, Value: 7, Time: 1000, Published: 9000}})
	held := &projector.BoardContent{
		Synced: 9001, Malformed: 3,
		Times: map[leaderboard.UserID]leaderboard.Millis{1: 1000, 2: 1001, 4: 1000, 5: 0, 6: 1, 7: 2, 9: 3, 10: 4},
		Members: map[leaderboard.UserID]projector.Member{
			1: {Time: 1000, Score: -1500}, 2: {Time: 1000, Score: -1500}, 4: {Time: 1000, Score: -1500.4},
			5: {Time: 0, Score: 0}, 6: {Time: 1, Score: -1}, 8: {Time: 2, Score: math.Inf(1)},
		},
	}
	report := Report{
		Boards: 1200, Incomplete: []int{3}, SwitchedOff: []string{"1:2:3:5", "1:2:3:6"}, Unproved: []string{"something is gone"},
		Differences: []*BoardDifference{compareBoard(board, leaderboard.Ascending, "outdated in some way", want, held)},
	}
	var text bytes.Buffer
	if err := report.WriteText(&text, 7); err != nil {
		t.Fatal(err)
	}
	const words = `partition 3 is being read again from its start: the boards were compared as far as that has come
switched off in the catalog and not compared: 1:2:3:5, 1:2:3:6
board 1:2:3:4 differs
  outdated in some way
  lastSyncTime: the log says 1970-01-01T00:00:09.000Z, Redis holds 1970-01-01T00:00:09.001Z
  3 members or times are malformed or of a user who has another one
  user 2: the log says 1.5 at 1970-01-01T00:00:01.000Z, the sorted set holds 1.5 at 1970-01-01T00:00:01.000Z, the users hash the time 1970-01-01T00:00:01.001Z
  user 3: the log says 1.5 at 1970-01-01T00:00:01.000Z, Redis holds nothing
  user 4: the log says 1.5 at 1970-01-01T00:00:01.000Z, Redis holds 1.5004 at 1970-01-01T00:00:01.000Z
  user 5: the log says 1.5 at 1970-01-01T00:00:01.000Z, Redis holds 0 at 1970-01-01T00:00:00.000Z (the user's records lie in several partitions, which have no common order)
  user 6: the log says 1.5 at 1970-01-01T00:00:01.000Z, Redis holds 0.001 at 1970-01-01T00:00:00.001Z (an eventId came again after so many others that it may count twice)
  user 7: the log says nothing, the sorted set holds nothing, the users hash the time 1970-01-01T00:00:00.002Z
  user 8: the log says nothing, the sorted set holds -Inf at 1970-01-01T00:00:00.002Z, the users hash nothing
  and 2 users more; --json prints them all
1,200 boards compared, 1,199 agree
`
	if text.String() != words {
		t.Errorf("the report is\n%s\nwant\n%s", text.String(), words)
	}
	const failure = "something is gone\n1 of 1200 boards differ from the log; leaderboard verify --repair mends them"
	if err := report.Err(); err == nil || err.Error() != failure {
		t.Errorf("the failure is %v", err)
	}
	report.Differences[0].Repaired, report.Unproved = true, nil
	if err := report.Err(); err != nil {
		t.Errorf("after the repair the failure is %v", err)
	}
	if len(report.Differences[0].Users) != 9 {
		t.Errorf("%d users differ", len(report.Differences[0].Users))
	}
}

func TestEqualBoardsDoNotDiffer(t *testing.T) {
	want := newBoardFold()
	want.take(placed{Record: leaderboard.Record{Type: leaderboard.TypeEnrol, UserID: 1, Time: 1000, Published: 9000}})
	want.take(placed{Record: leaderboard.Record{Type: leaderboard.TypeWithdraw, UserID: 2, Time: 1000, Published: 9001}})
	held := &projector.BoardContent{
		Synced:  9001,
		Times:   map[leaderboard.UserID]leaderboard.Millis{1: 1000},
		Members: map[leaderboard.UserID]projector.Member{1: {Time: 1000, Score: math.Copysign(0, -1)}},
	}
	if d := compareBoard(leaderboard.Board{}, leaderboard.Ascending, "", want, held); d != nil {
		t.Errorf("they differ in %+v", d)
	}
	if d := compareBoard(leaderboard.Board{}, leaderboard.Ascending, "folded by another rule", want, held); d == nil || d.Outdated == "" {
		t.Errorf("an outdated board differs in %+v", d)
	}
}
