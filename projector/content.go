package projector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
	// Rule is the one that the board was begun with, zero when Redis knows none.
	Rule leaderboard.Rule
	// PassedOver counts the board's activities that came while it was off.
	PassedOver int64
	// Times are the times of the members as the users hash holds them.
	Times map[leaderboard.UserID]leaderboard.Millis
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
	// readAttempts bounds how often a shard that moves is read again.
	readAttempts = 5
	scanCount    = 2000
)

// ReadShard reads boards of a shard at one moment, in steps that none of Redis'
// clients has to wait for; the writers of the shard wait while it lasts. Choose
// says which boards, given those that are registered. Each is called with the
// number of entries of every step.
func ReadShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, choose func(registered []leaderboard.Board) []leaderboard.Board, each func(entries int)) (*ShardContent, error) {
	for range readAttempts {
		var content *ShardContent
		err := Hold(ctx, client, l, shard, func(ctx context.Context) (err error) {
			content, err = readShard(ctx, client, l, shard, choose, each)
			return err
		})
		if !errors.Is(err, errMoved) {
			return content, err
		}
	}
	return nil, fmt.Errorf("shard %d: %w, %d times over", shard, errMoved, readAttempts)
}

func readShard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int, choose func([]leaderboard.Board) []leaderboard.Board, each func(int)) (*ShardContent, error) {
	fences, err := ReadFences(ctx, client, l, shard)
	if err != nil {
		return nil, err
	}
	registered, err := readRegistry(ctx, client, l, shard)
	if err != nil {
		return nil, err
	}
	rules, err := client.HGetAll(ctx, l.RulesKey(shard)).Result()
	if err != nil {
		return nil, err
	}
	passedOver, err := client.HGetAll(ctx, l.PassedKey(shard)).Result()
	if err != nil {
		return nil, err
	}
	content := &ShardContent{Fences: fences, Boards: map[leaderboard.Board]*BoardContent{}}
	for _, board := range choose(slices.Collect(maps.Keys(registered))) {
		if content.Boards[board] != nil {
			continue
		}
		b, err := readBoard(ctx, client, l, board, each)
		if err != nil {
			return nil, err
		}
		b.Synced = registered[board]
		b.addRule(rules[board.String()], passedOver[board.String()])
		content.Boards[board] = b
	}
	after, err := ReadFences(ctx, client, l, shard)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(fences, after) {
		return nil, errMoved
	}
	return content, nil
}

// ReadFences tells how far a shard has come, by partition.
func ReadFences(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) (map[int]int64, error) {
	return ReadFence(ctx, client, l.FenceKey(shard))
}

// ReadFence reads a fence of a shard, or of the catalog or the profiles.
func ReadFence(ctx context.Context, client redis.UniversalClient, key string) (map[int]int64, error) {
	offsets, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	return parseFences(key, offsets)
}

func parseFences(key string, offsets map[string]string) (map[int]int64, error) {
	fences := make(map[int]int64, len(offsets))
	for partition, offset := range offsets {
		p, err := strconv.Atoi(partition)
		if err != nil {
			return nil, fmt.Errorf("%s has a partition %q", key, partition)
		}
		if fences[p], err = strconv.ParseInt(offset, 10, 64); err != nil {
			return nil, fmt.Errorf("%s has the offset %q", key, offset)
		}
	}
	return fences, nil
}

// readRegistry gives the registered boards with the latest publish time of each.
func readRegistry(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) (map[leaderboard.Board]leaderboard.Millis, error) {
	key := l.BoardsKey(shard)
	names, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	return parseRegistry(key, names)
}

func parseRegistry(key string, names map[string]string) (map[leaderboard.Board]leaderboard.Millis, error) {
	registered := make(map[leaderboard.Board]leaderboard.Millis, len(names))
	for name, synced := range names {
		board, err := leaderboard.ParseBoard(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		ms, err := strconv.ParseInt(synced, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: board %s was synced at %q", key, name, synced)
		}
		registered[board] = leaderboard.Millis(ms)
	}
	return registered, nil
}

func readBoard(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, board leaderboard.Board, each func(int)) (*BoardContent, error) {
	b := &BoardContent{Times: map[leaderboard.UserID]leaderboard.Millis{}, Members: map[leaderboard.UserID]Member{}}
	err := scan(ctx, client.HScan, l.UsersKey(board), func(pairs []string) error {
		for pair := range slices.Chunk(pairs, 2) {
			b.addTime(pair[0], pair[1])
		}
		each(len(pairs) / 2)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, scan(ctx, client.ZScan, l.RankKey(board), func(pairs []string) error {
		for pair := range slices.Chunk(pairs, 2) {
			b.addMember(pair[0], pair[1])
		}
		return nil
	})
}

// scanCommand is HSCAN or ZSCAN.
type scanCommand func(ctx context.Context, key string, cursor uint64, match string, count int64) *redis.ScanCmd

// scan visits what a hash or a sorted set holds, step by step: fields and values, or
// members and scores, by turns.
func scan(ctx context.Context, command scanCommand, key string, each func(pairs []string) error) error {
	for cursor := uint64(0); ; {
		pairs, next, err := command(ctx, key, cursor, "", scanCount).Result()
		if err == nil {
			err = each(pairs)
		}
		if cursor = next; err != nil || cursor == 0 {
			return err
		}
	}
}

func (b *BoardContent) addRule(rule, passedOver string) {
	var err error
	if rule != "" {
		if b.Rule, err = leaderboard.ParseRule(rule); err != nil {
			b.Malformed++
		}
	}
	if passedOver != "" {
		if b.PassedOver, err = strconv.ParseInt(passedOver, 10, 64); err != nil {
			b.Malformed++
		}
	}
}

func (b *BoardContent) addTime(field, time string) {
	user, err := leaderboard.ParseUserField(field)
	at, timeErr := leaderboard.ParseMemberTime(time)
	if err != nil || timeErr != nil {
		b.Malformed++
		return
	}
	b.Times[user] = at
}

func (b *BoardContent) addMember(member, score string) {
	at, user, err := leaderboard.ParseMember(member)
	s, scoreErr := strconv.ParseFloat(strings.TrimSpace(score), 64)
	if _, twice := b.Members[user]; err != nil || scoreErr != nil || (twice && b.Members[user].Time != at) {
		b.Malformed++
		return
	}
	b.Members[user] = Member{Time: at, Score: s}
}
