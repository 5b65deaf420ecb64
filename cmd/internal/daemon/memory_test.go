package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"leaderboard/projector"
)

func TestLimitMemory(t *testing.T) {
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	broken := func() (uint64, error) { return 0, errors.New("no sense in it") }
	for name, test := range map[string]struct {
		given     string
		container memlimit.Provider
		limit     int64
		log       string
	}{
		"container":      {"", memlimit.Limit(1000 << 20), 900 << 20, "by the container"},
		"no limit":       {"", none, math.MaxInt64, ""},
		"not to be read": {"", broken, math.MaxInt64, "cannot be read"},
		"GOMEMLIMIT":     {"100MiB", memlimit.Limit(1000 << 20), 100 << 20, "by GOMEMLIMIT"},
	} {
		t.Run(name, func(t *testing.T) {
			before := debug.SetMemoryLimit(math.MaxInt64)
			defer debug.SetMemoryLimit(before)
			if test.given != "" {
				t.Setenv("GOMEMLIMIT", test.given)
				debug.SetMemoryLimit(test.limit) // as the runtime does at the start
			}
			var log bytes.Buffer
			limitMemory(slog.New(slog.NewTextHandler(&log, nil)), test.container)
			if got := debug.SetMemoryLimit(-1); got != test.limit {
				t.Errorf("the limit is %d, want %d", got, test.limit)
			}
			if lines := strings.Count(log.String(), "\n"); !strings.Contains(log.String(), test.log) || lines > 1 || (lines == 1) != (test.log != "") {
				t.Errorf("the log is %q, want one line with %q", log.String(), test.log)
			}
		})
	}
}

func TestRememberedEntriesFollowTheMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for limit, want := range map[int64]int64{
		math.MaxInt64:                   4_000_000,
		3 * 1000 * projector.EntryBytes: 1000,
	} {
		debug.SetMemoryLimit(limit)
		if got := rememberEntries(); got != want {
			t.Errorf("with a limit of %d bytes %d entries are kept, want %d", limit, got, want)
		}
	}
}
