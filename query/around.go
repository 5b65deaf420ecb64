package query

import (
	"context"
	"net/http"

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
	page, err := s.store.around(c.ctx, c.view.layout, board.board(), c.view.order, p.user, window, c.client.May(auth.AccessEnrichment))
	if err != nil {
		return nil, err
	}
	answer := &envelope{
		pagination: &pagination{limit: window.size(), offset: page.ahead, total: page.total},
		data:       s.topData(board, page),
		warnings:   warnings,
	}
	c.buffer = answer.appendJSON(c.buffer[:0])
	return c.buffer, nil
}

// aroundScript finds a user's member from its time, and with it the entries about its
// place. The arguments are the user's field and half of the member, and how many
// entries before and after; the replies are those of a part, and how many entries are
// ahead of it. There are no entries where the user is not on the board.
var aroundScript = newScript(4, partReplies+1, `
    local place, ahead = call('HGET', users, ARGV[a]), 0
    if type(place) == 'string' then place = call('ZREVRANK', rank, place .. ARGV[a + 1]) end
    told[n + 1], told[n + 2] = place, false
    if type(place) == 'number' then
      ahead = math.max(0, place - ARGV[a + 2])
`+tellPart(`ahead`, `place + ARGV[a + 3]`)+`
    end
    told[n + 3] = ahead`)

// around reads the entries about the user's; there are none when the user is not on
// the board.
func (s *store) around(ctx context.Context, l leaderboard.Layout, b leaderboard.Board, order orderOf, user leaderboard.UserID, w window, enriched bool) (page, error) {
	r := aroundRead(l, b, user, w)
	p, err := s.part(ctx, r, order, enriched)
	if err != nil {
		return page{}, err
	}
	p.ahead, _ = r.replies[partReplies].(int64)
	return p, nil
}

func aroundRead(l leaderboard.Layout, b leaderboard.Board, user leaderboard.UserID, w window) *read {
	return boardRead(aroundScript, l, b, w.size(), append(memberArgs(user), w.before, w.after))
}
