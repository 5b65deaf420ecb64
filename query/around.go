package query

import (
	"cmp"
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
	page, err := s.store.around(c.ctx, c.view.layout, board.board(), c.view.order, p.user, window)
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

// aroundScript finds a user's member from its time, and with it the entries about its
// place. The arguments are the user's field and half of the member, and how many
// entries before and after; the replies how many entries are ahead, and the entries,
// nil where the user is not on the board.
var aroundScript = newScript(4, 2, `
    local entries = call('HGET', users, ARGV[a])
    if type(entries) == 'string' then entries = call('ZREVRANK', rank, entries .. ARGV[a + 1]) end
    told[n + 1] = 0
    if type(entries) == 'number' then
      told[n + 1] = math.max(0, entries - ARGV[a + 2])
      entries = call('ZREVRANGE', rank, told[n + 1], entries + ARGV[a + 3], 'WITHSCORES')
    end
    told[n + 2] = entries`)

// around reads the entries about the user's; there are none when the user is not on
// the board. For the order see [store.page].
func (s *store) around(ctx context.Context, l leaderboard.Layout, b leaderboard.Board, order orderOf, user leaderboard.UserID, w window) (page, error) {
	r := aroundRead(l, b, user, w)
	if err := s.lanes.ask(ctx, []*read{r}); err != nil {
		return page{}, s.failed("read around a user", err)
	}
	return s.part(r, order)
}

func aroundRead(l leaderboard.Layout, b leaderboard.Board, user leaderboard.UserID, w window) *read {
	return boardRead(aroundScript, l, b, append(memberArgs(user), w.before, w.after))
}

// part is what the read found.
func (s *store) part(r *read, order orderOf) (page, error) {
	about, err := s.about(r, order)
	if err != nil {
		return page{}, err
	}
	p := page{total: about.total, synced: about.synced}
	p.ahead, _ = r.replies[0].(int64)
	entries, _ := r.replies[1].([]any)
	p.entries = make([]leaderboard.Entry, len(entries)/2)
	for i := range p.entries {
		member, _ := entries[2*i].(string)
		scoreText, _ := entries[2*i+1].(string)
		score, scoreErr := strconv.ParseFloat(scoreText, 64)
		entry, entryErr := parseEntry(member, score, about.order)
		if err := cmp.Or(scoreErr, entryErr); err != nil {
			return page{}, fmt.Errorf("board %s: %w", r.board, err)
		}
		p.entries[i] = entry
	}
	return p, nil
}
