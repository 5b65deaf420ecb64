package projector

import (
	"testing"

	"leaderboard"
)

func BenchmarkTasks(b *testing.B) {
	for _, boards := range []struct {
		name string
		n    int
	}{{"one board", 1}, {"100 boards", 100}} {
		b.Run(boards.name, func(b *testing.B) {
			records := make([]leaderboard.Record, 2500)
			for i := range records {
				records[i] = leaderboard.Record{Offset: int64(i), Board: leaderboard.Board{Org: 1, Group: 10, Rule: leaderboard.TargetRuleID(1 + i%boards.n), Period: 3}}
			}
			l := &lane{layout: leaderboard.Layout{Generation: 1, Shards: 16}, fences: make([]int64, 16)}
			batch := leaderboard.Batch{To: int64(len(records)), Records: records}
			b.ReportAllocs()
			for b.Loop() {
				l.tasks(batch, records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
		})
	}
}
