package projector

import (
	"crypto/sha256"
	"io"
	"strconv"

	"leaderboard"
)

// maxSeenEvents bounds the event ids that a shard keeps of a partition: at least
// the latest of this number, at most twice as many, some 100 bytes each.
const maxSeenEvents = 20_000

// digest stands for an event: an event id of a user on a board.
type digest [16]byte

func digestOf(r *leaderboard.Record) digest {
	h := sha256.New()
	_, _ = io.WriteString(h, r.Board.String())
	_, _ = io.WriteString(h, " "+strconv.FormatInt(int64(r.UserID), 10)+" "+r.EventID)
	return digest(h.Sum(nil)[:len(digest{})])
}
