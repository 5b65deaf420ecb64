// Package verify proves that the boards in Redis equal their log, and mends those
// that do not. Of the live path it shares how records are decoded and where boards
// lie; what the records add up to it finds out by itself.
package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/consumer"
	"leaderboard/projector"
)

// Config says what to verify.
type Config struct {
	Cluster consumer.Cluster
	Topics  consumer.Topics
	Redis   redis.UniversalClient
	// Generation of boards; 0: the one that is read.
	Generation int
	// Boards to compare; none: all.
	Boards []leaderboard.Board
	// Repair puts what the log says in the place of every board that differs.
	Repair bool
	// Progress begins a stage of the work of so many steps, at least 1, or -1 when
	// nobody knows.
	Progress func(stage string, steps int64) Bar
}

// Bar shows how far a stage has come.
type Bar interface {
	Add(steps int) error
	Finish() error
}

// verifier is one run.
type verifier struct {
	Config
	generation projector.Generation
	log        *activityLog
	catalog    *leaderboard.Catalog
	held       map[int]*projector.ShardContent
	folds      map[int]*shardFold
}

// Run compares every board at the fence of its shard: with the fold of the log up
// to there. Writers of a shard wait while it is read or mended, readers never.
// That boards differ is no error of Run; see [Report.Err].
func Run(ctx context.Context, c Config) (*Report, error) {
	v := &verifier{Config: c, held: map[int]*projector.ShardContent{}, folds: map[int]*shardFold{}}
	if err := v.findGeneration(ctx); err != nil {
		return nil, err
	}
	v.log = &activityLog{
		cluster: c.Cluster, topics: c.Topics, refused: consumer.NewRefused(c.Cluster, c.Topics), layout: v.generation.Layout,
		window: *v.generation.DedupeWindow, wanted: v.wanted, progress: c.Progress,
	}
	if err := v.readShards(ctx); err != nil {
		return nil, err
	}
	report := &Report{Generation: v.generation.Generation, Incomplete: v.generation.Incomplete}
	whole, err := v.inspectLog(ctx, report)
	if err != nil || !whole {
		return report, err
	}
	if v.catalog, err = v.log.advance(ctx, v.folds); err != nil {
		return nil, err
	}
	if err := v.compare(report); err != nil {
		return nil, err
	}
	if c.Repair {
		err = v.repair(ctx, report)
	}
	return report, err
}

func (v *verifier) wanted(b leaderboard.Board) bool {
	return len(v.Boards) == 0 || slices.Contains(v.Boards, b)
}

func (v *verifier) findGeneration(ctx context.Context) error {
	all, err := projector.Generations(ctx, v.Redis)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(g projector.Generation) bool {
		return !g.Dropped && (g.Generation == v.Generation || (v.Generation == 0 && g.Read))
	})
	switch {
	case i < 0 && v.Generation == 0:
		return fmt.Errorf("redis names no generation of boards to read (%s): see that a projector runs", leaderboard.MetaKey)
	case i < 0:
		return fmt.Errorf("generation %d: %w", v.Generation, projector.ErrNoGeneration)
	case all[i].DedupeWindow == nil:
		return fmt.Errorf("redis does not say which dedupe window generation %d is built with (%s): see that a projector of it runs", all[i].Generation, leaderboard.MetaKey)
	}
	v.generation = all[i]
	return nil
}

// readShards reads the registered boards, and those that the API would answer from
// although they are not registered: the catalog's.
func (v *verifier) readShards(ctx context.Context) error {
	known := v.Boards
	if len(known) == 0 {
		catalog, err := v.log.readCatalog(ctx)
		if err != nil {
			return err
		}
		known = boardsOf(catalog)
	}
	layout := v.generation.Layout
	besides := map[int][]leaderboard.Board{}
	for _, b := range known {
		besides[layout.Shard(b)] = append(besides[layout.Shard(b)], b)
	}
	bar := v.Progress("entries", -1)
	for shard := range layout.Shards {
		if len(v.Boards) > 0 && besides[shard] == nil {
			continue
		}
		choose := func(registered []leaderboard.Board) []leaderboard.Board {
			if len(v.Boards) > 0 {
				return besides[shard]
			}
			return append(registered, besides[shard]...)
		}
		content, err := projector.ReadShard(ctx, v.Redis, layout, shard, choose, func(entries int) { _ = bar.Add(entries) })
		if err != nil {
			return fmt.Errorf("read shard %d: %w", shard, err)
		}
		v.held[shard] = content
		v.folds[shard] = newShardFold(content.Fences)
	}
	return bar.Finish()
}

func boardsOf(c *leaderboard.Catalog) []leaderboard.Board {
	var boards []leaderboard.Board
	for _, g := range c.Document().TargetGroups {
		for _, t := range g.Targets {
			for _, p := range g.Periods {
				boards = append(boards, leaderboard.Board{Org: g.OrgID, Group: g.TargetGroupID, Rule: t.TargetRuleID, Period: p.PeriodID})
			}
		}
	}
	return boards
}

// inspectLog tells whether the log holds all that the boards were made of.
func (v *verifier) inspectLog(ctx context.Context, report *Report) (whole bool, err error) {
	extents, err := consumer.Extents(ctx, v.Cluster, v.Topics.Activities)
	if err != nil {
		return false, fmt.Errorf("read how far topic %s goes: %w", v.Topics.Activities, err)
	}
	logs := map[int]leaderboard.Extent{}
	for _, e := range extents {
		logs[e.Partition] = e
	}
	reached := map[int]int64{}
	for _, fold := range v.folds {
		for partition, end := range fold.end {
			reached[partition] = max(reached[partition], end)
			fold.next[partition] = logs[partition].First
		}
	}
	whole = true
	for _, h := range v.generation.Holes {
		report.Unproved = append(report.Unproved, fmt.Sprintf(
			"offsets %d to %d of partition %d were deleted from the log before they were read: the boards lack them", h.From, h.To-1, h.Partition))
	}
	for _, partition := range slices.Sorted(maps.Keys(reached)) {
		log, end := logs[partition], reached[partition]
		if end > log.End {
			return false, fmt.Errorf("%s/%d ends at offset %d, but Redis has applied it up to %d: the topic was made anew. Build the boards into a new generation",
				v.Topics.Activities, partition, log.End, end)
		}
		neverRead := projector.Hole{Partition: partition, To: log.First}
		if end > 0 && log.First > 0 && !slices.Contains(v.generation.Holes, neverRead) {
			whole = false
			report.Unproved = append(report.Unproved, fmt.Sprintf(
				"the log of partition %d begins at offset %d: what the boards were made of before is gone, so they were not compared", partition, log.First))
		}
	}
	return whole, nil
}

// compare fills the report board by board.
func (v *verifier) compare(report *Report) error {
	for _, b := range v.boards() {
		shard := v.generation.Shard(b)
		want, held := v.folds[shard].boards[b], v.held[shard].Boards[b]
		if want == nil {
			want = newBoardFold()
		}
		if held == nil {
			held = new(projector.BoardContent)
		}
		found := v.look(b)
		switch {
		case want.records == 0 && held.Synced == 0 && len(held.Times)+len(held.Members)+held.Malformed == 0:
			if !found.described && slices.Contains(v.Boards, b) {
				return fmt.Errorf("board %s is neither in the catalog nor in Redis nor in the log", b)
			}
			continue
		case found.off:
			report.SwitchedOff = append(report.SwitchedOff, b.String())
			continue
		}
		report.Boards++
		report.Records += want.records
		report.Entries += want.entries()
		outdated := v.catalog.Outdated(b, held.Rule, held.PassedOver)
		if held.Rule == (leaderboard.Rule{}) && len(held.Members) > 0 {
			outdated = "Redis does not hold the rule by which it was folded"
		}
		if d := compareBoard(b, found.rule.Order, outdated, want, held); d != nil {
			d.NotInCatalog = !found.described
			report.Differences = append(report.Differences, d)
		}
	}
	return nil
}

// boards are those of either side, in order.
func (v *verifier) boards() []leaderboard.Board {
	all := map[leaderboard.Board]bool{}
	for shard, fold := range v.folds {
		for b := range fold.boards {
			all[b] = true
		}
		for b := range v.held[shard].Boards {
			all[b] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), compareNames)
}

// finding is what the catalog says of a board.
type finding struct {
	// described is false of a board that the catalog does not have.
	described bool
	// off is true of a board whose activities are passed over: the log says nothing
	// of what it held when it went off.
	off  bool
	rule leaderboard.Rule
}

func (v *verifier) look(b leaderboard.Board) finding {
	group, org := v.catalog.Group(b.Group), v.catalog.Org(b.Org)
	if group == nil || org == nil || group.OrgID != b.Org {
		return finding{}
	}
	f := finding{off: !group.Active || !group.LeaderboardEnabled || !org.LeaderboardsEnabled}
	target, period := group.Target(b.Rule), group.Period(b.Period)
	if target != nil && period != nil {
		f.described, f.rule = true, target.Rule(period)
	}
	return f
}

// errNoCatalog keeps a lost catalog from being taken for one without boards.
var errNoCatalog = errors.New("the catalog topic holds no target group: apply a catalog, or see that --kafka-catalog-topic (KAFKA_CATALOG_TOPIC) names the right one")
