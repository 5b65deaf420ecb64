package query

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

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

// standingsSource finds a user's members from their times, and with them the user's
// places and scores on boards of one shard. KEYS: boards, rules, then rank and users
// of each board; ARGV: the user's field, the user's half of the member, then the
// boards. In place of a board on which the user does not stand there is false.
const standingsSource = `
local synced = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
local rules = redis.call('HMGET', KEYS[2], unpack(ARGV, 3))
local standings = {}
for i = 1, #ARGV - 2 do
  local rank, users = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local time = redis.call('HGET', users, ARGV[1])
  standings[i] = false
  if time then
    local member = time .. ARGV[2]
    standings[i] = {redis.call('ZREVRANK', rank, member), redis.call('ZSCORE', rank, member), time, redis.call('ZCARD', rank), synced[i], rules[i]}
  end
end
return standings`

var standingsScript = redis.NewScript(standingsSource)

// boardsACall is how many boards the script is given at most: all of Redis waits
// while it runs.
const boardsACall = 100

// orderOf is a board's order as the catalog has it, see [store.page].
type orderOf func(leaderboard.Board) leaderboard.Order

// standings reads the user's place on each board, nil where the user has none,
// and the values of rankFields: those of the first organisation that has a profile
// of the user. All in one round trip, or two when a Redis has not seen the script yet.
func (s *store) standings(ctx context.Context, l leaderboard.Layout, boards []leaderboard.Board, order orderOf, user leaderboard.UserID, orgs []leaderboard.OrgID) ([]*standing, []string, error) {
	q := standingsQuestion{layout: l, boards: boards, calls: callsOf(l, boards), user: user, orgs: orgs}
	reads := q.reads(ctx, "evalsha_ro", standingsScript.Hash())
	err := s.lanes.ask(ctx, reads...)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reads = q.reads(ctx, "eval_ro", standingsSource)
		err = s.lanes.ask(ctx, reads...)
	}
	if err != nil {
		return nil, nil, s.failed("read the standings of a user", err)
	}
	standings, err := q.standings(reads, order)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range reads[len(q.calls):] {
		if record, found := r.command.Val().(string); found {
			return standings, s.attributesOf(rankFields, record), nil
		}
	}
	return standings, rankFields.missing, nil
}

// standingsQuestion asks for the standings of a user, and for the profile in each
// organisation.
type standingsQuestion struct {
	layout leaderboard.Layout
	boards []leaderboard.Board
	calls  []scriptCall
	user   leaderboard.UserID
	orgs   []leaderboard.OrgID
}

// scriptCall is about some boards of one shard, which are named by their place in
// the question.
type scriptCall struct {
	shard  int
	boards []int
}

func callsOf(l leaderboard.Layout, boards []leaderboard.Board) []scriptCall {
	calls := make([]scriptCall, 0, min(len(boards), l.Shards))
	latest := map[int]int{} // by shard, the call that may still take boards
	for i, b := range boards {
		shard := l.Shard(b)
		n, found := latest[shard]
		if !found || len(calls[n].boards) == boardsACall {
			n = len(calls)
			latest[shard] = n
			calls = append(calls, scriptCall{shard: shard})
		}
		calls[n].boards = append(calls[n].boards, i)
	}
	return calls
}

// reads are the script, by its hash or in full, for each call, then the profiles.
func (q *standingsQuestion) reads(ctx context.Context, eval, script string) []read {
	reads := make([]read, 0, len(q.calls)+len(q.orgs))
	member := leaderboard.Member(0, q.user)
	for _, call := range q.calls {
		keys := q.layout.BoardsKey(call.shard)
		args := make([]any, 0, 7+3*len(call.boards))
		args = append(args, eval, script, 2+2*len(call.boards), keys, q.layout.RulesKey(call.shard))
		for _, i := range call.boards {
			args = append(args, q.layout.RankKey(q.boards[i]), q.layout.UsersKey(q.boards[i]))
		}
		args = append(args, leaderboard.UserField(q.user), member[leaderboard.MemberTimeSize:])
		for _, i := range call.boards {
			args = append(args, q.boards[i].String())
		}
		reads = append(reads, read{keys, redis.NewCmd(ctx, args...)})
	}
	for _, org := range q.orgs {
		key := leaderboard.ProfilesKey(org)
		reads = append(reads, read{key, redis.NewCmd(ctx, "hget", key, strconv.FormatInt(int64(q.user), 10))})
	}
	return reads
}

// standings takes them from the replies to the calls.
func (q *standingsQuestion) standings(reads []read, order orderOf) ([]*standing, error) {
	standings := make([]*standing, len(q.boards))
	for n, call := range q.calls {
		replies, _ := reads[n].command.Val().([]any)
		if len(replies) != len(call.boards) {
			return nil, fmt.Errorf("the script told of %d boards, not of %d", len(replies), len(call.boards))
		}
		for k, i := range call.boards {
			var err error
			if standings[i], err = parseStanding(replies[k], order(q.boards[i]), q.user); err != nil {
				return nil, fmt.Errorf("board %s: %w", q.boards[i], err)
			}
		}
	}
	return standings, nil
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
