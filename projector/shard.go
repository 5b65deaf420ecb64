package projector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// ShardContent is all that a shard holds, at one moment.
type ShardContent struct {
	// Fences are by partition: all of the partition below the offset that belongs
	// to the shard is in Boards, and nothing above.
	Fences map[int]int64
	Boards map[leaderboard.Board]*BoardContent
}

// BoardContent is all that a board holds.
type BoardContent struct {
	// Synced is the latest publish time among the board's records; 0 when the
	// board is not registered.
	Synced leaderboard.Millis
	// States are the users' states.
	States map[leaderboard.UserID]leaderboard.Entry
	// Members are what the sorted set holds, by user. Scores are as they lie
	// there, negated on an ascending board.
	Members map[leaderboard.UserID]Member
	// Malformed counts what could not be read, of both.
	Malformed int
}

// Member is a member of a board's sorted set with its score.
type Member struct {
	Time  leaderboard.Millis
	Score float64
}

// errMoved says that the shard was written to while it was read.
var errMoved = errors.New("the shard was written to while it was read")

const (
	// holdTime is how long writers wait for a holder that has gone away.
	holdTime = 5 * time.Second
	// readAttempts bounds how often a shard that moves is read again.
	readAttempts = 5
	scanCount    = 2000
)

// ReadShard reads a shard at one moment, in steps that none of Redis' clients has
// to wait for; the writers of the shard wait while it lasts. Each is called with
// the number of entries of every step.
func ReadShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, each func(entries int)) (*ShardContent, error) {
	for range readAttempts {
		var content *ShardContent
		err := Hold(ctx, client, l, shard, func(ctx context.Context) (err error) {
			content, err = readShard(ctx, client, l, shard, each)
			return err
		})
		if !errors.Is(err, errMoved) {
			return content, err
		}
	}
	return nil, fmt.Errorf("shard %d: %w, %d times over", shard, errMoved, readAttempts)
}

// Hold keeps the writers of a shard waiting while do runs. A holder that goes away
// lets go within seconds; do's context ends when the hold cannot be kept.
func Hold(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, do func(context.Context) error) error {
	key := l.HoldKey(shard)
	if err := acquire(ctx, client, key); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		ticker := time.NewTicker(holdTime / 5)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if err := client.PExpire(ctx, key, holdTime).Err(); err != nil {
					cancel(fmt.Errorf("keep %s: %w", key, err))
				}
			}
		}
	}()
	err := do(ctx)
	cancel(nil)
	<-kept
	release, done := context.WithTimeout(context.WithoutCancel(ctx), holdTime)
	defer done()
	return errors.Join(err, client.Del(release, key).Err())
}

func acquire(ctx context.Context, client redis.UniversalClient, key string) error {
	for {
		mine, err := client.SetNX(ctx, key, "", holdTime).Result()
		if err != nil {
			return fmt.Errorf("hold %s: %w", key, err)
		}
		if mine {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func readShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, each func(int)) (*ShardContent, error) {
	before, err := client.HGetAll(ctx, l.FenceKey(shard)).Result()
	if err != nil {
		return nil, err
	}
	content := &ShardContent{Fences: map[int]int64{}, Boards: map[leaderboard.Board]*BoardContent{}}
	for partition, offset := range before {
		p, err := strconv.Atoi(partition)
		if err != nil {
			return nil, fmt.Errorf("%s has a partition %q", l.FenceKey(shard), partition)
		}
		if content.Fences[p], err = strconv.ParseInt(offset, 10, 64); err != nil {
			return nil, fmt.Errorf("%s has the offset %q", l.FenceKey(shard), offset)
		}
	}
	registered, err := client.HGetAll(ctx, l.BoardsKey(shard)).Result()
	if err != nil {
		return nil, err
	}
	for name, synced := range registered {
		board, err := leaderboard.ParseBoard(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.BoardsKey(shard), err)
		}
		b, err := readBoard(ctx, client, l, board, each)
		if err != nil {
			return nil, err
		}
		ms, err := strconv.ParseInt(synced, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: board %s was synced at %q", l.BoardsKey(shard), name, synced)
		}
		b.Synced = leaderboard.Millis(ms)
		content.Boards[board] = b
	}
	after, err := client.HGetAll(ctx, l.FenceKey(shard)).Result()
	if err != nil {
		return nil, err
	}
	if !maps.Equal(before, after) {
		return nil, errMoved
	}
	return content, nil
}

func readBoard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, board leaderboard.Board, each func(int)) (*BoardContent, error) {
	b := &BoardContent{States: map[leaderboard.UserID]leaderboard.Entry{}, Members: map[leaderboard.UserID]Member{}}
	for cursor := uint64(0); ; {
		pairs, next, err := client.HScan(ctx, l.UsersKey(board), cursor, "", scanCount).Result()
		if err != nil {
			return nil, err
		}
		for pair := range slices.Chunk(pairs, 2) {
			b.addState(pair[0], pair[1])
		}
		each(len(pairs) / 2)
		if cursor = next; cursor == 0 {
			break
		}
	}
	for cursor := uint64(0); ; {
		pairs, next, err := client.ZScan(ctx, l.RankKey(board), cursor, "", scanCount).Result()
		if err != nil {
			return nil, err
		}
		for pair := range slices.Chunk(pairs, 2) {
			b.addMember(pair[0], pair[1])
		}
		if cursor = next; cursor == 0 {
			return b, nil
		}
	}
}

func (b *BoardContent) addState(user, state string) {
	id, err := strconv.ParseInt(user, 10, 64)
	time, value, stateErr := leaderboard.ParseState(state)
	if err != nil || stateErr != nil {
		b.Malformed++
		return
	}
	b.States[leaderboard.UserID(id)] = leaderboard.Entry{UserID: leaderboard.UserID(id), Value: value, LastActivity: time}
}

func (b *BoardContent) addMember(member, score string) {
	time, user, err := leaderboard.ParseMember(member)
	s, scoreErr := strconv.ParseFloat(strings.TrimSpace(score), 64)
	if _, twice := b.Members[user]; err != nil || scoreErr != nil || (twice && b.Members[user].Time != time) {
		b.Malformed++
		return
	}
	b.Members[user] = Member{Time: time, Score: s}
}
