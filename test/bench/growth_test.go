package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"gonum.org/v1/plot/plotter"

	"leaderboard"
)

// growth measures by the size of the board, and by the number of partitions and of
// projectors.
func (l *lab) growth(b *testing.B) {
	b.Run("users", func(b *testing.B) {
		for i, users := range l.form.users {
			set := million
			if users != million.users {
				set = single(firstGrowing+leaderboard.TargetRuleID(i), users)
			}
			b.Run(strconv.Itoa(users), func(b *testing.B) { l.growUsers(b, set) })
		}
	})
	b.Run("partitions", l.growPartitions)
}

// growUsers measures on a board of one size.
func (l *lab) growUsers(b *testing.B, set *boardSet) {
	a, s := l.arena(), l.services()
	a.fill(set)
	var same *stream
	r := &race{rounds: l.form.rounds, contenders: []contender{
		{projected, func() readings { return a.apply(same) }},
		{plain, func() readings { return a.ceiling(same, applyPlain) }},
		{queried, func() readings {
			return s.query.hammer(b, 1, l.form.queries, func(random *rand.Rand) request {
				return rankRequest(set.user(0, random.IntN(set.users)), set.boards)
			})
		}},
	}}
	r.before = func() { same = a.streams.next(set, uniform(set), l.form.growthRecords) }
	r.run()
	a.checkApplied()
	measured.compare(b, r, activitiesPerSecond, projected, plain, goal{})
	measured.note(b, r, p50, queried, goal{})
	measured.note(b, r, p99, queried, goal{})
	for _, who := range []string{projected, plain} {
		measured.draw(throughputPicture, who, plotter.XY{X: float64(set.users), Y: r.samples[who][activitiesPerSecond].median()})
	}
	l.noteBytes(b, set)
}

// noteBytes tells what a user takes, by Redis' account of its data and by that of
// the two keys.
func (l *lab) noteBytes(b *testing.B, set *boardSet) {
	a, board := l.arena(), set.boards[0]
	g := goal{}
	if set == million {
		g = atMost(170)
	}
	measured.tell(b, bytesPerUser, "all", float64(a.filled[set])/float64(set.users), g)
	for _, key := range []struct{ who, name string }{{"sorted set", a.layout.RankKey(board)}, {"users", a.layout.UsersKey(board)}} {
		bytes, err := a.redis.MemoryUsage(context.Background(), key.name, 1000).Result()
		if err != nil {
			b.Fatalf("ask for the memory of %s: %v", key.name, err)
		}
		measured.tell(b, bytesPerUser, key.who, float64(bytes)/float64(set.users), goal{})
	}
}

// dataBytes is how much memory Redis' data takes, without the connections.
func dataBytes(ctx context.Context, client *redis.Client) (int64, error) {
	info, err := client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(info["Memory"]["used_memory_dataset"], 10, 64)
}

// growPartitions measures how much is gained by more partitions and projectors, on a
// board of 100,000 users in a Redis of its own each.
func (l *lab) growPartitions(b *testing.B) {
	set := single(firstGrowing, 100_000)
	r := &race{rounds: l.form.rounds}
	var arenas []*arena
	for _, size := range []struct{ partitions, projectors int }{{1, 1}, {2, 1}, {4, 1}, {2, 2}, {4, 2}} {
		a := newArena(l.b, size.partitions, size.projectors)
		a.fill(set)
		arenas = append(arenas, a)
		name := fmt.Sprintf("partitions: %d, projectors: %d", size.partitions, size.projectors)
		r.contenders = append(r.contenders, contender{name, func() readings {
			return a.apply(a.streams.next(set, uniform(set), l.form.growthRecords))
		}})
	}
	r.run()
	for i, a := range arenas {
		a.checkApplied()
		measured.compare(b, r, activitiesPerSecond, r.contenders[i].name, r.contenders[0].name, goal{})
		a.stop()
	}
}
