package query

import (
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// read asks for the profiles of an organisation's users or, with a script, about
// something on one board.
type read struct {
	command commandHead
	// board is the script's; args are the users, each as [leaderboard.MemberUser], or
	// what the script is to know.
	board leaderboard.Board
	args  []any
	// size is how many entries and profiles it may find: how much of a command it takes up.
	size int64
	// replies has one for each user, or those of the script for the item; about is what
	// the script tells of the board. There are none when there is an error.
	replies, about []any
	err            error
}

// commandHead is what the reads have in common that a command may answer together:
// HMGET of an organisation's profiles or, with a script, boards of a shard, with the
// profiles of that organisation unless it is 0.
type commandHead struct {
	org    leaderboard.OrgID
	script *script
	layout leaderboard.Layout
	shard  int
}

// key is one of those of the command.
func (h commandHead) key() string {
	if h.script == nil {
		return leaderboard.ProfilesKey(h.org)
	}
	return h.layout.BoardsKey(h.shard)
}

// maxCommandSize is that of a command's reads together, but for the last one: all of
// Redis waits while it answers one.
const maxCommandSize = 100

// script only reads. It is called for boards of a shard with KEYS: boards, rules,
// then rank and users of each board and, where profiles are asked for, those; and ARGV:
// the boards, then for each board how many items there are and the arguments of each.
// It answers for each board with its lastSyncTime, rule and size, then the replies to
// each item, all in one array; where reading fails there is the error, as others may ask
// for the rest.
type script struct {
	hash, source string
	replies      int
}

// newScript makes the script that gives so many replies to an item. The body puts
// them into told, from told[n + 1] on, for an item of a board whose keys are rank and
// users, and profiles, which may be nil; its arguments are those from ARGV[a] on, which
// are as many as args says.
func newScript(args, replies int, body string) *script {
	source := fmt.Sprintf(`
local call, boards = redis.pcall, math.floor((#KEYS - 2) / 2)
local profiles = KEYS[2 * boards + 3]
local synced = redis.call('HMGET', KEYS[1], unpack(ARGV, 1, boards))
local rules = redis.call('HMGET', KEYS[2], unpack(ARGV, 1, boards))
local told, n, at = {}, 0, boards + 1
for board = 1, boards do
  local rank, users, last = KEYS[2 * board + 1], KEYS[2 * board + 2], at + %d * ARGV[at]
  told[n + 1], told[n + 2], told[n + 3] = synced[board], rules[board], call('ZCARD', rank)
  n = n + %d
  for a = at + 1, last, %d do
%s
    n = n + %d
  end
  at = last + 1
end
return told`, args, boardReplies, args, body, replies)
	return &script{redis.NewScript(source).Hash(), source, replies}
}

// boardReplies is how many replies a script gives to a board.
const boardReplies = 3

// command is some reads of one head, by board where there are boards.
type command struct {
	head   commandHead
	reads  []*read
	boards [][]*read
	size   int64
	cmd    *redis.Cmd
}

// gather makes as few commands as it may of all reads of the parcels.
func gather(parcels []*parcel) []*command {
	var commands []*command
	latest := map[commandHead]*command{}
	for _, p := range parcels {
		for _, r := range p.reads {
			c := latest[r.command]
			if c == nil || c.size >= maxCommandSize {
				c = &command{head: r.command}
				latest[r.command] = c
				commands = append(commands, c)
			}
			c.reads = append(c.reads, r)
			c.size += r.size
		}
	}
	for _, c := range commands {
		if c.head.script != nil {
			c.boards = byBoard(c.reads)
		}
	}
	return commands
}

// byBoard sorts the reads and divides them by their boards.
func byBoard(reads []*read) [][]*read {
	slices.SortFunc(reads, func(a, b *read) int { return a.board.Compare(b.board) })
	boards := make([][]*read, 0, len(reads))
	first := 0
	for i, r := range reads {
		if i+1 == len(reads) || r.board != reads[i+1].board {
			boards = append(boards, reads[first:i+1])
			first = i + 1
		}
	}
	return boards
}

func (c *command) args(inFull bool) []any {
	args := make([]any, 0, 6+6*len(c.reads))
	switch {
	case c.head.script == nil:
		args = append(args, "hmget", c.head.key())
		for _, r := range c.reads {
			args = append(args, r.args...)
		}
		return args
	case inFull:
		args = append(args, "eval_ro", c.head.script.source)
	default:
		args = append(args, "evalsha_ro", c.head.script.hash)
	}
	l := c.head.layout
	keys := []any{l.BoardsKey(c.head.shard), l.RulesKey(c.head.shard)}
	for _, reads := range c.boards {
		keys = append(keys, l.RankKey(reads[0].board), l.UsersKey(reads[0].board))
	}
	if c.head.org != 0 {
		keys = append(keys, leaderboard.ProfilesKey(c.head.org))
	}
	args = append(append(args, len(keys)), keys...)
	for _, reads := range c.boards {
		args = append(args, reads[0].board.String())
	}
	for _, reads := range c.boards {
		args = append(args, len(reads))
		for _, r := range reads {
			args = append(args, r.args...)
		}
	}
	return args
}

// deliver gives every read its part of the reply.
func (c *command) deliver() {
	replies, _ := c.cmd.Val().([]any)
	err := c.cmd.Err()
	if want := c.replies(); err == nil && len(replies) != want {
		err = fmt.Errorf("redis replied with %d values, not with %d", len(replies), want)
	}
	if err != nil {
		for _, r := range c.reads {
			r.err = err
		}
		return
	}
	take := func(n int) (taken []any) {
		taken, replies = replies[:n], replies[n:]
		return taken
	}
	if c.head.script == nil {
		for _, r := range c.reads {
			r.replies = take(len(r.args))
		}
	}
	for _, reads := range c.boards {
		about := take(boardReplies)
		for _, r := range reads {
			r.about, r.replies = about, take(c.head.script.replies)
		}
	}
}

// replies is how many values the reply has.
func (c *command) replies() int {
	if c.head.script == nil {
		return int(c.size)
	}
	return boardReplies*len(c.boards) + c.head.script.replies*len(c.reads)
}
