package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"leaderboard"
	"leaderboard/projector"
)

// repair mends the boards that differ, shard by shard.
func (v *verifier) repair(ctx context.Context, report *Report) error {
	differing := map[int][]*BoardDifference{}
	for _, d := range report.Differences {
		shard := v.generation.Shard(d.name)
		differing[shard] = append(differing[shard], d)
	}
	for _, shard := range slices.Sorted(maps.Keys(differing)) {
		// What was published meanwhile is folded before the writers have to wait;
		// little is left for when they do.
		err := v.catchUp(ctx, shard)
		if err == nil {
			err = projector.Hold(ctx, v.Redis, v.generation.Layout, shard, func(ctx context.Context) error {
				return v.mend(ctx, shard, differing[shard])
			})
		}
		if err != nil {
			return fmt.Errorf("repair the boards of shard %d: %w", shard, err)
		}
	}
	return nil
}

// catchUp folds the log on, up to where the shard is now.
func (v *verifier) catchUp(ctx context.Context, shard int) error {
	fences, err := projector.ReadFences(ctx, v.Redis, v.generation.Layout, shard)
	if err != nil {
		return err
	}
	fold := v.folds[shard]
	for partition, reached := range fold.next {
		if fences[partition] < reached {
			return fmt.Errorf("%w; verify again", leaderboard.ErrTailLost)
		}
	}
	fold.end = fences
	v.catalog, err = v.log.advance(ctx, map[int]*shardFold{shard: fold})
	return err
}

// mend replaces boards of a shard that is held.
func (v *verifier) mend(ctx context.Context, shard int, boards []*BoardDifference) error {
	if err := v.catchUp(ctx, shard); err != nil {
		return err
	}
	fold := v.folds[shard]
	for _, d := range boards {
		b := fold.boards[d.name]
		if b == nil {
			b = newBoardFold()
		}
		err := projector.ReplaceBoard(ctx, v.Redis, v.generation.Layout, fold.end, projector.Replacement{
			Board: d.name, Rule: v.look(d.name).rule, Synced: b.synced, Entries: b.each,
		})
		if err != nil {
			return err
		}
		d.Repaired = true
	}
	return nil
}
