package projector

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// begin makes sure that every shard has a fence of the partition. A shard that
// lacks one is new to the partition, or has lost the fence and kept its boards:
// to read the log into those would count it twice, so they are made from nothing.
func (b *Boards) begin(ctx context.Context, l leaderboard.Layout, partition int, lacking []int) error {
	if len(lacking) == 0 {
		return nil
	}
	begun, err := b.begunPartitions(ctx, l.Generation)
	if err != nil {
		return err
	}
	for _, shard := range lacking {
		lost := slices.Contains(begun, partition)
		if !lost {
			if lost, err = b.hasBoardsOnly(ctx, l, shard); err != nil {
				return err
			}
		}
		if lost {
			err = b.reset(ctx, l, shard, partition, begun)
		} else {
			err = b.projector.redis.HSetNX(ctx, l.FenceKey(shard), strconv.Itoa(partition), 0).Err()
		}
		if err != nil {
			return fmt.Errorf("begin partition %d on shard %d: %w", partition, shard, b.projector.counted(err))
		}
	}
	err = b.projector.redis.HSet(ctx, leaderboard.MetaKey, leaderboard.MetaBegun(l.Generation, partition), 1).Err()
	return b.projector.counted(err)
}

// begunPartitions are those that every shard has had a fence of.
func (b *Boards) begunPartitions(ctx context.Context, generation int) ([]int, error) {
	fields, err := b.projector.redis.HKeys(ctx, leaderboard.MetaKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", leaderboard.MetaKey, b.projector.counted(err))
	}
	var begun []int
	for _, field := range fields {
		if number, ok := strings.CutPrefix(field, leaderboard.MetaBegunPrefix(generation)); ok {
			if partition, err := strconv.Atoi(number); err == nil {
				begun = append(begun, partition)
			}
		}
	}
	return begun, nil
}

// hasBoardsOnly tells a shard that has boards and no fence at all.
func (b *Boards) hasBoardsOnly(ctx context.Context, l leaderboard.Layout, shard int) (bool, error) {
	commands, err := b.projector.pipelined(ctx, func(pipe redis.Pipeliner) {
		pipe.Exists(ctx, l.FenceKey(shard))
		pipe.Exists(ctx, l.BoardsKey(shard))
	})
	if err != nil {
		return false, err
	}
	return commands[0].(*redis.IntCmd).Val() == 0 && commands[1].(*redis.IntCmd).Val() == 1, nil
}

// unlinkBoards is how many boards are freed at once.
const unlinkBoards = 200

// reset empties a shard and sets its fences to the start of the log. It can be cut
// off anywhere: until the last step the shard has no fence, and so is reset again.
func (b *Boards) reset(ctx context.Context, l leaderboard.Layout, shard, partition int, begun []int) error {
	client := b.projector.redis
	return Hold(ctx, client, l, shard, func(ctx context.Context) error {
		there, err := client.HExists(ctx, l.FenceKey(shard), strconv.Itoa(partition)).Result()
		if err != nil || there {
			return err // the lane of another partition did it meanwhile
		}
		b.projector.log.Warn("a shard has boards without a fence, making it from nothing", "generation", l.Generation, "shard", shard)
		if err := client.Del(ctx, l.FenceKey(shard), l.VersionKey(shard), l.JournalKey(shard)).Err(); err != nil {
			return err
		}
		if err := unlink(ctx, client, l, shard); err != nil {
			return err
		}
		if err := forget(ctx, client, l, shard); err != nil {
			return err
		}
		fences := map[string]any{strconv.Itoa(partition): 0}
		for _, p := range begun {
			fences[strconv.Itoa(p)] = 0
		}
		return client.HSet(ctx, l.FenceKey(shard), fences).Err()
	})
}

// forget frees what a shard knows besides its boards.
func forget(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) error {
	partitions, err := client.HKeys(ctx, l.SeenKey(shard)).Result()
	if err != nil {
		return err
	}
	keys := []string{l.SeenKey(shard), l.PassedKey(shard)}
	for _, text := range partitions {
		partition, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s has a partition %q", l.SeenKey(shard), text)
		}
		keys = append(keys, l.SeenHalfKey(shard, partition, 0), l.SeenHalfKey(shard, partition, 1))
	}
	return client.Unlink(ctx, keys...).Err()
}

// unlink frees the boards of a shard in steps, and takes them out of its registry.
func unlink(ctx context.Context, client redis.UniversalClient, l leaderboard.Layout, shard int) error {
	names, err := client.HKeys(ctx, l.BoardsKey(shard)).Result()
	if err != nil {
		return err
	}
	for step := range slices.Chunk(names, unlinkBoards) {
		var keys []string
		for _, name := range step {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return fmt.Errorf("%s: %w", l.BoardsKey(shard), err)
			}
			keys = append(keys, l.RankKey(board), l.UsersKey(board))
		}
		if err := client.Unlink(ctx, keys...).Err(); err != nil {
			return err
		}
		if err := client.HDel(ctx, l.RulesKey(shard), step...).Err(); err != nil {
			return err
		}
		if err := client.HDel(ctx, l.BoardsKey(shard), step...).Err(); err != nil {
			return err
		}
	}
	return nil
}
