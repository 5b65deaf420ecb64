package query

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"leaderboard"
)

// standing is a user's place on a board, the board's size and its
// lastSyncTime, all of one moment.
type standing struct {
	entry  leaderboard.Entry
	rank   int64
	total  int64
	synced *leaderboard.Millis
}

// standingsScript finds a user's member from its time, and with it its place and score.
// The arguments are the user's field and half of the member; the replies time, place
// and score, nil where the user is not on the board.
var standingsScript = newScript(2, 3, `
    local time = call('HGET', users, ARGV[a])
    told[n + 1], told[n + 2], told[n + 3] = time, false, false
    if type(time) == 'string' then
      local member = time .. ARGV[a + 1]
      told[n + 2], told[n + 3] = call('ZREVRANK', rank, member), call('ZSCORE', rank, member)
    end`)

// orderOf is a board's order as the catalog has it. A board that was begun with another
// one keeps that until it is made again.
type orderOf func(leaderboard.Board) leaderboard.Order

// standings reads the user's place on each board, nil where the user has none,
// and the values of rankFields: those of the first organisation that has a profile
// of the user. All in one round trip, or two when a Redis has not seen the script yet.
func (s *store) standings(ctx context.Context, l leaderboard.Layout, boards []leaderboard.Board, order orderOf, user leaderboard.UserID, orgs []leaderboard.OrgID) ([]*standing, []string, error) {
	reads := make([]*read, 0, len(boards)+len(orgs))
	known := memberArgs(user)
	for _, b := range boards {
		reads = append(reads, boardRead(standingsScript, l, b, 1, known))
	}
	for _, org := range orgs {
		reads = append(reads, profilesRead(org, known[1:]))
	}
	if err := s.lanes.ask(ctx, reads); err != nil {
		return nil, nil, s.failed("read the standings of a user", err)
	}
	standings := make([]*standing, len(boards))
	for i := range boards {
		var err error
		if standings[i], err = s.standing(reads[i], order, user); err != nil {
			return nil, nil, err
		}
	}
	for _, r := range reads[len(boards):] {
		if record, found := r.replies[0].(string); found {
			return standings, s.attributesOf(rankFields, record), nil
		}
	}
	return standings, rankFields.missing, nil
}

// standing is what the read found, nil where the user is not on the board.
func (s *store) standing(r *read, order orderOf, user leaderboard.UserID) (*standing, error) {
	about, err := s.about(r, order)
	if err != nil {
		return nil, err
	}
	place, isPlaced := r.replies[1].(int64)
	if !isPlaced {
		return nil, nil
	}
	timeText, _ := r.replies[0].(string)
	time, timeErr := leaderboard.ParseMemberTime(timeText)
	scoreText, _ := r.replies[2].(string)
	score, scoreErr := strconv.ParseFloat(scoreText, 64)
	if err := cmp.Or(timeErr, scoreErr); err != nil {
		return nil, fmt.Errorf("board %s: %w", r.board, err)
	}
	entry := leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(score, about.order), LastActivity: time}
	return &standing{entry: entry, rank: place + 1, total: about.total, synced: about.synced}, nil
}

// boardRead asks a script about so many entries of the board.
func boardRead(script *script, l leaderboard.Layout, b leaderboard.Board, size int64, args []any) *read {
	return &read{command: commandHead{script: script, layout: l, shard: l.Shard(b)}, board: b, args: args, size: size}
}

// memberArgs is what is known of the user's member on any board: the field that
// holds the first half of it, and the second half.
func memberArgs(user leaderboard.UserID) []any {
	return []any{leaderboard.UserField(user), leaderboard.MemberUser(user)}
}

// boardState is what goes with all that is read of a board.
type boardState struct {
	total int64
	// synced is nil for a board without entries.
	synced *leaderboard.Millis
	order  leaderboard.Order
}

// about is the state of the board that was read. The error is also that of any part
// of the reading.
func (s *store) about(r *read, order orderOf) (boardState, error) {
	for _, replies := range [...][]any{r.about, r.replies} {
		for _, reply := range replies {
			if err, failed := reply.(error); failed {
				return boardState{}, s.failed("read board "+r.board.String(), err)
			}
		}
	}
	syncText, _ := r.about[0].(string)
	ruleText, _ := r.about[1].(string)
	total, _ := r.about[2].(int64)
	rule, err := leaderboard.ParseRule(ruleText)
	if err != nil {
		rule.Order = order(r.board)
	}
	synced, err := parseSync(total, syncText)
	if err != nil {
		return boardState{}, fmt.Errorf("board %s: %w", r.board, err)
	}
	return boardState{total: total, synced: synced, order: rule.Order}, nil
}
