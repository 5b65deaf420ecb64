package projector

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

//go:embed replace.lua
var replaceSource string

var replaceScript = redis.NewScript(replaceSource)

// Replacement is what a board is to hold.
type Replacement struct {
	Board leaderboard.Board
	// Rule is the one that the entries were folded by.
	Rule leaderboard.Rule
	// Synced is the latest publish time among the board's records. 0: there are
	// none, and the board is taken out of Redis.
	Synced leaderboard.Millis
	// Entries are visited once; no two are of one user.
	Entries iter.Seq[leaderboard.Entry]
}

const (
	// replaceStep is how many entries are written at once.
	replaceStep = 500
	// replacementExpiry is when a replacement that was cut off goes away.
	replacementExpiry = 10 * time.Minute
)

// ReplaceBoard puts a replacement in the place of what the board holds, at one
// moment, if the fences of the shard are those up to which it was folded. The
// caller holds the shard, see [Hold].
func ReplaceBoard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, fences map[int]int64, r Replacement) error {
	rank, users := l.ReplacementKeys(r.Board, rand.Text())
	entries, err := writeReplacement(ctx, client, rank, users, r)
	if err != nil {
		return fmt.Errorf("write the new content of board %s: %w", r.Board, err)
	}
	shard := l.Shard(r.Board)
	keys := []string{l.FenceKey(shard), l.BoardsKey(shard), l.RulesKey(shard), l.PassedKey(shard), l.RankKey(r.Board), l.UsersKey(r.Board), rank, users, l.VersionKey(shard)}
	args := []any{r.Board.String(), int64(r.Synced), r.Rule.String(), entries, rand.Text()}
	for partition, offset := range fences {
		args = append(args, partition, offset)
	}
	done, err := replaceScript.Run(ctx, client, keys, args...).Int()
	switch {
	case err != nil:
		return fmt.Errorf("replace board %s: %w", r.Board, err)
	case done == 1:
		return nil
	}
	cause := errMoved
	if done < 0 {
		cause = errors.New("its new content went away before it was whole")
	}
	return fmt.Errorf("replace board %s: %w", r.Board, errors.Join(cause, client.Unlink(ctx, rank, users).Err()))
}

// writeReplacement writes the entries in steps and counts them.
func writeReplacement(ctx context.Context, client redis.UniversalClient, rank, users string, r Replacement) (entries int, err error) {
	var members []redis.Z
	var times []any
	write := func() error {
		if len(members) == 0 {
			return nil
		}
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.ZAdd(ctx, rank, members...)
			pipe.HSet(ctx, users, times...)
			pipe.PExpire(ctx, rank, replacementExpiry)
			pipe.PExpire(ctx, users, replacementExpiry)
			return nil
		})
		members, times = members[:0], times[:0]
		return err
	}
	for e := range r.Entries {
		member := leaderboard.Member(e.LastActivity, e.UserID)
		members = append(members, redis.Z{Score: e.Value.Score(r.Rule.Order), Member: member[:]})
		times = append(times, leaderboard.UserField(e.UserID), leaderboard.MemberTime(e.LastActivity))
		entries++
		if len(members) == replaceStep {
			if err := write(); err != nil {
				return 0, err
			}
		}
	}
	return entries, write()
}
