package query

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"leaderboard"
	"leaderboard/query/auth"
)

// The limits of a window, and what a client is told when it goes over them.
const (
	defaultNeighbours = 5
	maxNeighbours     = 100

	cappedBefore = "Before can not be more than 100, capping before to 100"
	cappedAfter  = "After can not be more than 100, capping after to 100"
)

// window is a part of a board about one user: at most so many entries before the
// user's and after it.
type window struct {
	before, after int64
}

// size is how many entries the window has room for.
func (w window) size() int64 { return w.before + 1 + w.after }

// capped brings the window into its limits, with a warning for each.
func (w window) capped() (capped window, warnings []string) {
	if w.before > maxNeighbours {
		w.before = maxNeighbours
		warnings = append(warnings, cappedBefore)
	}
	if w.after > maxNeighbours {
		w.after = maxNeighbours
		warnings = append(warnings, cappedAfter)
	}
	return w, warnings
}

// aroundParameters are the parameters of the ranked list around a user.
type aroundParameters struct {
	boardParameters
	user   leaderboard.UserID
	window window
}

func parseAroundParameters(r *http.Request) (*aroundParameters, error) {
	user, err := parseUser(r)
	if err != nil {
		return nil, err
	}
	in, err := newNumbers(r)
	if err != nil {
		return nil, err
	}
	p := &aroundParameters{boardParameters: in.board(r), user: user}
	p.window = window{
		before: in.notNegative("before", defaultNeighbours),
		after:  in.notNegative("after", defaultNeighbours),
	}
	if in.err != nil {
		return nil, in.err
	}
	return p, nil
}

// aroundUser answers GET /v3.1/leaderboards/targetGroups/{targetGroupId}/user/{userId}.
// Its pagination counts entries: limit is the size of the window, offset how many
// entries are ahead of the first one told.
func (s *Server) aroundUser(c *call) ([]byte, error) {
	p, err := parseAroundParameters(c.Request)
	if err != nil {
		return nil, err
	}
	board, err := s.findBoard(c, p.boardParameters)
	if err != nil {
		return nil, err
	}
	window, warnings := p.window.capped()
	page, err := s.store.around(c.ctx, c.view.layout, board.board(), board.target.Order, p.user, window)
	if err != nil {
		return nil, err
	}
	data, err := s.enrich(c.ctx, board, page, c.client.May(auth.AccessEnrichment))
	if err != nil {
		return nil, err
	}
	answer := &envelope{
		pagination: &pagination{limit: window.size(), offset: page.ahead, total: page.total},
		data:       data,
		warnings:   warnings,
	}
	c.buffer = answer.appendJSON(c.buffer[:0])
	return c.buffer, nil
}

// aroundScript finds members from their times, and with them the entries about
// their places, on boards of one shard. KEYS: boards, rules, then rank and users of
// each item; ARGV: of each item the user's field, the user's half of the member, the
// board, and how many entries before and after. In place of what it tells of an item
// there is the text of the error where reading failed.
var aroundScript = newScript(`
local boards = {}
for i = 3, #ARGV, 5 do boards[(i + 2) / 5] = ARGV[i] end
local synced = redis.call('HMGET', KEYS[1], unpack(boards))
local rules = redis.call('HMGET', KEYS[2], unpack(boards))
local function around(i)
  local rank, users = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local field, half, before, after = ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 1], ARGV[5 * i]
  local time = redis.call('HGET', users, field)
  local place = time and redis.call('ZREVRANK', rank, time .. half)
  local first, entries = 0, {}
  if place then
    first = math.max(0, place - before)
    entries = redis.call('ZREVRANGE', rank, first, place + after, 'WITHSCORES')
  end
  return {first, entries, redis.call('ZCARD', rank), synced[i], rules[i]}
end
local windows, _ = {}
for i = 1, #boards do _, windows[i] = pcall(around, i) end
return windows`)

// around reads the entries about the user's; there are none when the user is not on
// the board. For the order see [store.page].
func (s *store) around(ctx context.Context, l leaderboard.Layout, b leaderboard.Board, order leaderboard.Order, user leaderboard.UserID, w window) (page, error) {
	r := aroundRead(l, b, user, w)
	if err := s.lanes.ask(ctx, []*read{r}); err != nil {
		return page{}, s.failed("read around a user", err)
	}
	if text, failed := r.replies[0].(string); failed {
		return page{}, s.failed("read around a user on board "+b.String(), scriptError(text))
	}
	p, err := parseAround(r.replies[0], order)
	if err != nil {
		return page{}, fmt.Errorf("board %s: %w", b, err)
	}
	return p, nil
}

func aroundRead(l leaderboard.Layout, b leaderboard.Board, user leaderboard.UserID, w window) *read {
	shard, member := l.Shard(b), leaderboard.Member(0, user)
	return &read{
		command: commandHead{aroundScript, l.BoardsKey(shard), l.RulesKey(shard)},
		items:   1,
		keys:    []any{l.RankKey(b), l.UsersKey(b)},
		args:    []any{leaderboard.UserField(user), member[leaderboard.MemberTimeSize:], b.String(), w.before, w.after},
	}
}

// parseAround reads what the script tells of one board.
func parseAround(reply any, order leaderboard.Order) (page, error) {
	fields, _ := reply.([]any)
	if len(fields) != 5 {
		return page{}, fmt.Errorf("a part of a board has %d fields, not 5", len(fields))
	}
	var p page
	p.ahead, _ = fields[0].(int64)
	entries, _ := fields[1].([]any)
	p.total, _ = fields[2].(int64)
	sync, _ := fields[3].(string)
	ruleText, _ := fields[4].(string)
	if rule, err := leaderboard.ParseRule(ruleText); err == nil {
		order = rule.Order
	}
	p.entries = make([]leaderboard.Entry, len(entries)/2)
	for i := range p.entries {
		member, _ := entries[2*i].(string)
		scoreText, _ := entries[2*i+1].(string)
		score, err := strconv.ParseFloat(scoreText, 64)
		if err != nil {
			return page{}, err
		}
		if p.entries[i], err = parseEntry(member, score, order); err != nil {
			return page{}, err
		}
	}
	var err error
	p.synced, err = parseSync(p.total, sync)
	return p, err
}
