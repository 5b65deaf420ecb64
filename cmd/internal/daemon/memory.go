package daemon

import (
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"leaderboard/projector"
)

// goShare is the part of a container's memory that Go may take. The rest is for the
// program's code, which Go does not count.
const goShare = 0.9

// LimitMemory makes Go keep within the memory of the container, and says so, unless
// GOMEMLIMIT does. The garbage is then collected more often before it is too late.
func LimitMemory(log *slog.Logger) { limitMemory(log, memlimit.FromCgroup) }

func limitMemory(log *slog.Logger, container memlimit.Provider) {
	limit, err := memlimit.Set(memlimit.WithRatio(goShare), memlimit.WithProvider(container))
	switch _, given := os.LookupEnv("GOMEMLIMIT"); {
	case errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported), errors.Is(err, fs.ErrNotExist):
	case err != nil:
		log.Warn("the container's memory limit cannot be read", "error", err)
	case limit == math.MaxInt64:
	case given:
		log.Info("memory limited by GOMEMLIMIT", "bytes", limit)
	default:
		log.Info("memory limited by the container", "bytes", limit)
	}
}

// rememberShare is the part of the memory limit that the entries may take which a
// projector remembers. As much is needed for the records under way, and as much for
// garbage.
const rememberShare = 1.0 / 3

// rememberEntries is how many entries a projector keeps in memory within Go's
// memory limit.
func rememberEntries() int64 {
	limit := debug.SetMemoryLimit(-1)
	return min(projector.DefaultRememberEntries, int64(float64(limit)*rememberShare/projector.EntryBytes))
}
