package projector

import (
	"math/rand/v2"
	"testing"

	"leaderboard"
)

// BenchmarkCut folds records of one board into cuts and makes their commands: a new
// user each time, and users that come again, as Zipf has them.
func BenchmarkCut(b *testing.B) {
	const records = 20_000
	random := rand.New(rand.NewPCG(1, 2))
	law := rand.NewZipf(random, 1.1, 1, 1_000_000)
	for _, by := range []struct {
		name string
		user func(i int) leaderboard.UserID
	}{
		{"new users", func(i int) leaderboard.UserID { return leaderboard.UserID(i + 1) }},
		{"zipf", func(int) leaderboard.UserID { return leaderboard.UserID(law.Uint64() + 1) }},
	} {
		b.Run(by.name, func(b *testing.B) {
			all := make([]leaderboard.Record, records)
			for i := range all {
				all[i] = leaderboard.Record{
					Offset: int64(i), Published: leaderboard.Millis(1000 + i),
					Board:  leaderboard.Board{Org: 1, Group: 1, Rule: 1, Period: 1},
					Rule:   leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Descending, End: 1},
					Type:   leaderboard.TypeActivity,
					UserID: by.user(i), Value: leaderboard.Value(1 + random.IntN(1000)), Time: leaderboard.Millis(1000 + i),
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				s := newTestShard()
				for steps := stepsOf(s, &task{records: all, to: records}); len(steps) > 0; {
					steps = steps[s.newCut(steps).records:]
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
		})
	}
}
