package query

import (
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

// standingsScript finds members from their times, and with them their places and
// scores, on boards of one shard. KEYS: boards, rules, then rank and users of each
// item; ARGV: of each item the user's field, the user's half of the member, and the
// board. In place of a standing there is false where the user is not on the board, and
// the text of the error where reading failed.
var standingsScript = newScript(`
local boards = {}
for i = 3, #ARGV, 3 do boards[i / 3] = ARGV[i] end
local synced = redis.call('HMGET', KEYS[1], unpack(boards))
local rules = redis.call('HMGET', KEYS[2], unpack(boards))
local totals = {}
local function standing(i)
  local rank, users = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local time = redis.call('HGET', users, ARGV[3 * i - 2])
  if not time then return false end
  local member = time .. ARGV[3 * i - 1]
  totals[rank] = totals[rank] or redis.call('ZCARD', rank)
  return {redis.call('ZREVRANK', rank, member), redis.call('ZSCORE', rank, member), time, totals[rank], synced[i], rules[i]}
end
local standings, _ = {}
for i = 1, #boards do _, standings[i] = pcall(standing, i) end
return standings`)

// scriptError is an error that the script tells in place of a standing.
type scriptError string

func (e scriptError) Error() string { return string(e) }

// RedisError makes it one of the errors with which Redis replies.
func (e scriptError) RedisError() {}

// orderOf is a board's order as the catalog has it, see [store.page].
type orderOf func(leaderboard.Board) leaderboard.Order

// standings reads the user's place on each board, nil where the user has none,
// and the values of rankFields: those of the first organisation that has a profile
// of the user. All in one round trip, or two when a Redis has not seen the script yet.
func (s *store) standings(ctx context.Context, l leaderboard.Layout, boards []leaderboard.Board, order orderOf, user leaderboard.UserID, orgs []leaderboard.OrgID) ([]*standing, []string, error) {
	ofBoards, ofOrgs := standingReads(l, boards, user), make([]*read, len(orgs))
	reads := make([]*read, 0, len(ofBoards)+len(orgs))
	for _, r := range ofBoards {
		reads = append(reads, &r.read)
	}
	for i, org := range orgs {
		ofOrgs[i] = profilesRead(org, []any{int64(user)})
	}
	if err := s.lanes.ask(ctx, append(reads, ofOrgs...)); err != nil {
		return nil, nil, s.failed("read the standings of a user", err)
	}
	standings := make([]*standing, len(boards))
	for _, r := range ofBoards {
		for k, i := range r.boards {
			var err error
			if text, failed := r.replies[k].(string); failed {
				return nil, nil, s.failed("read a standing on board "+boards[i].String(), scriptError(text))
			}
			if standings[i], err = parseStanding(r.replies[k], order(boards[i]), user); err != nil {
				return nil, nil, fmt.Errorf("board %s: %w", boards[i], err)
			}
		}
	}
	for _, r := range ofOrgs {
		if record, found := r.replies[0].(string); found {
			return standings, s.attributesOf(rankFields, record), nil
		}
	}
	return standings, rankFields.missing, nil
}

// standingRead is about some boards of one shard; boards has where they stand
// among those asked for.
type standingRead struct {
	read
	boards []int
}

// standingReads divides the boards into what a command may be asked for.
func standingReads(l leaderboard.Layout, boards []leaderboard.Board, user leaderboard.UserID) []*standingRead {
	reads := make([]*standingRead, 0, min(len(boards), l.Shards))
	latest := make(map[int]*standingRead, cap(reads))
	var field, half any
	if len(boards) > 0 {
		member := leaderboard.Member(0, user)
		field, half = leaderboard.UserField(user), member[leaderboard.MemberTimeSize:]
	}
	for i, b := range boards {
		shard := l.Shard(b)
		r := latest[shard]
		if r == nil || r.items == maxCommandItems {
			r = &standingRead{read: read{command: commandHead{standingsScript, l.BoardsKey(shard), l.RulesKey(shard)}}}
			latest[shard] = r
			reads = append(reads, r)
		}
		r.items++
		r.keys = append(r.keys, l.RankKey(b), l.UsersKey(b))
		r.args = append(r.args, field, half, b.String())
		r.boards = append(r.boards, i)
	}
	return reads
}

// parseStanding reads what the script tells of one board.
func parseStanding(reply any, order leaderboard.Order, user leaderboard.UserID) (*standing, error) {
	if reply == nil {
		return nil, nil
	}
	fields, _ := reply.([]any)
	if len(fields) != 6 {
		return nil, fmt.Errorf("a standing has %d fields, not 6", len(fields))
	}
	rank, isRanked := fields[0].(int64)
	scoreText, _ := fields[1].(string)
	timeText, _ := fields[2].(string)
	total, _ := fields[3].(int64)
	sync, _ := fields[4].(string)
	ruleText, _ := fields[5].(string)
	if !isRanked {
		return nil, nil
	}
	time, err := leaderboard.ParseMemberTime(timeText)
	if err != nil {
		return nil, err
	}
	score, err := strconv.ParseFloat(scoreText, 64)
	if err != nil {
		return nil, err
	}
	if rule, err := leaderboard.ParseRule(ruleText); err == nil {
		order = rule.Order
	}
	synced, err := parseSync(total, sync)
	if err != nil {
		return nil, err
	}
	entry := leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(score, order), LastActivity: time}
	return &standing{entry: entry, rank: rank + 1, total: total, synced: synced}, nil
}
