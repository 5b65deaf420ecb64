package verify

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"leaderboard"
	"leaderboard/projector"
)

// BoardDifference is where a board in Redis and its log do not agree.
type BoardDifference struct {
	Board string `json:"board"`
	// NotInCatalog is true of a board that Redis holds and nothing describes.
	NotInCatalog bool `json:"notInCatalog,omitempty"`
	// Outdated says how the catalog has changed since the board was begun.
	Outdated string `json:"outdated,omitempty"`
	// Records is how many records of the log count on the board.
	Records int `json:"records"`
	// LogSynced and Synced are lastSyncTime as the log says and as Redis holds
	// it: empty when there is no record, and when the board is not registered.
	LogSynced string `json:"logLastSyncTime"`
	Synced    string `json:"lastSyncTime"`
	// Malformed counts members and times that mean nothing, and second members.
	Malformed int               `json:"malformed,omitempty"`
	Users     []*UserDifference `json:"users"`
	// Repaired is true when Redis now holds what the log says.
	Repaired bool `json:"repaired"`

	name leaderboard.Board
}

// UserDifference is a user of whom the log says something other than the sorted
// set (Member) or the users hash (UsersTime) holds; nil is not on the board.
type UserDifference struct {
	UserID leaderboard.UserID `json:"userId"`
	Log    *Standing          `json:"log"`
	Member *Standing          `json:"member"`
	// UsersTime is the time of the user's member that the users hash holds, in RFC
	// 3339: empty when it does not know the user.
	UsersTime string `json:"usersTime"`
	// Doubts are reasons why the log may allow of what Redis holds.
	Doubts []string `json:"doubts,omitempty"`
}

// Standing is a decimal value and a time in RFC 3339.
type Standing struct {
	Value        string `json:"value"`
	LastActivity string `json:"lastActivityTime"`
}

// The doubts.
const (
	doubtPartitions = "the user's records lie in several partitions, which have no common order"
	doubtRepeat     = "an eventId came again after so many others that it may count twice"
)

// compareBoard is nil when both sides are equal and the catalog is still the same.
func compareBoard(b leaderboard.Board, order leaderboard.Order, outdated string, want *boardFold, held *projector.BoardContent) *BoardDifference {
	users := map[leaderboard.UserID]*UserDifference{}
	look := func(user leaderboard.UserID) {
		if d := compareUser(user, order, want, held); d != nil {
			users[user] = d
		}
	}
	for user := range want.standings {
		look(user)
	}
	for user := range held.Times {
		look(user)
	}
	for user := range held.Members {
		look(user)
	}
	if len(users) == 0 && want.synced == held.Synced && held.Malformed == 0 && outdated == "" {
		return nil
	}
	d := &BoardDifference{
		Board: b.String(), Outdated: outdated, Records: want.records, LogSynced: syncText(want.synced), Synced: syncText(held.Synced),
		Malformed: held.Malformed, Users: []*UserDifference{}, name: b,
	}
	for _, user := range slices.Sorted(maps.Keys(users)) {
		d.Users = append(d.Users, users[user])
	}
	return d
}

func compareUser(user leaderboard.UserID, order leaderboard.Order, want *boardFold, held *projector.BoardContent) *UserDifference {
	entry, onBoard := want.entry(user)
	at, hasTime := held.Times[user]
	member, hasMember := held.Members[user]
	due := projector.Member{}
	if onBoard {
		due = projector.Member{Time: entry.LastActivity, Score: entry.Value.Score(order)}
	}
	if hasTime == onBoard && hasMember == onBoard && at == due.Time && member == due {
		return nil
	}
	d := &UserDifference{UserID: user}
	if onBoard {
		d.Log = &Standing{entry.Value.String(), instant(entry.LastActivity)}
	}
	if hasTime {
		d.UsersTime = instant(at)
	}
	if hasMember {
		d.Member = &Standing{scoreText(member.Score, order), instant(member.Time)}
	}
	if s := want.standings[user]; s.severalPartitions {
		d.Doubts = append(d.Doubts, doubtPartitions)
	}
	if want.standings[user].lateRepeat {
		d.Doubts = append(d.Doubts, doubtRepeat)
	}
	return d
}

// scoreText is the value that a score stands for, whatever somebody put there.
func scoreText(score float64, order leaderboard.Order) string {
	if value := leaderboard.ValueOfScore(score, order); value.Score(order) == score {
		return value.String()
	}
	if order == leaderboard.Ascending {
		score = -score
	}
	return strconv.FormatFloat(score/1000, 'g', 15, 64)
}

func instant(m leaderboard.Millis) string { return m.Time().Format("2006-01-02T15:04:05.000Z") }

// syncText is empty for a board without records.
func syncText(m leaderboard.Millis) string {
	if m == 0 {
		return ""
	}
	return instant(m)
}

func compareNames(a, b leaderboard.Board) int {
	return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Period, b.Period))
}
