package bench

import (
	"cmp"
	"fmt"
	"os"
	"testing"
	"time"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

func TestMain(m *testing.M) {
	if isBare() {
		fmt.Fprintln(os.Stderr, runBare())
		os.Exit(1)
	}
	code := m.Run()
	servers.Stop()
	programs.Remove()
	if code == 0 && len(measured.rows) > 0 {
		if err := report(os.Getenv("BENCHMARKS_DOCUMENT")); err != nil {
			fmt.Fprintln(os.Stderr, "write the benchmarks:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// report prints what was measured, and writes it into a document if one is named.
func report(document string) error {
	if err := measured.environment.end(); err != nil {
		return err
	}
	if err := measured.print(os.Stdout); err != nil || document == "" {
		return err
	}
	return measured.writeInto(document)
}

// BenchmarkLeaderboard is every measurement, as a benchmark of its own that runs
// once: the runs are inside, those of all contenders by turns.
func BenchmarkLeaderboard(b *testing.B) {
	name := cmp.Or(os.Getenv("BENCH"), "short")
	f, known := forms[name]
	if !known {
		b.Fatalf("BENCH is %q; the forms are short and full", name)
	}
	measured.environment = look(b, name, f)
	l := &lab{b: b, form: f}
	b.Run("apply", l.applyAll)
	b.Run("freshness", l.freshness)
	b.Run("queries", l.queries)
	b.Run("growth", l.growth)
	b.Run("start", l.start)
}

// form says how long measurements take.
type form struct {
	// rounds is how many runs every contender has.
	rounds int
	// records is the length of a stream that is applied in one run, and recordsWithIDs
	// that of one whose events have ids.
	records, recordsWithIDs int
	// freshness and queries are how long a run of theirs takes.
	freshness, queries time.Duration
	// growthRecords is the length of a stream where growth is measured, and
	// users the sizes of the boards.
	growthRecords int
	users         []int
	// backlog is how long there is no projector before one is started, and starts is
	// how often.
	backlog time.Duration
	starts  int
}

var forms = map[string]form{
	"short": {
		rounds: 5, records: 160_000, recordsWithIDs: 80_000, freshness: 2 * time.Second, queries: 400 * time.Millisecond,
		growthRecords: 30_000, users: []int{10_000, 100_000, 1_000_000},
		backlog: 20 * time.Second, starts: 3,
	},
	"full": {
		rounds: 5, records: 500_000, recordsWithIDs: 500_000, freshness: 10 * time.Second, queries: 3 * time.Second,
		growthRecords: 200_000, users: []int{10_000, 100_000, 1_000_000, 10_000_000},
		backlog: time.Hour, starts: 1,
	},
}

// lab holds what measurements share.
type lab struct {
	b    *testing.B
	form form
	// common is the arena with the filled boards, nil until the first measurement
	// that takes place there.
	common *arena
	// answering is what answers over HTTP there, nil until it is asked.
	answering *services
	// maximum is how many activities a second the projector applies to the board
	// of a million users, 0 until that was measured.
	maximum float64
}

// arena gives the arena that measurements share.
func (l *lab) arena() *arena {
	if l.common == nil {
		l.common = newArena(l.b, 4, 1)
		measured.environment.versions += ", " + l.common.serverVersions()
	}
	return l.common
}
