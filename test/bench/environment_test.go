package bench

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"leaderboard/test/programs"
)

// environment is where, with what and how it was measured.
type environment struct {
	form              form
	command           string
	machine, versions string
	begun             time.Time
	took              time.Duration
	// stolen is the share of the cores' time that the host gave to other machines,
	// stolenBefore that of the time before, in seconds.
	stolen, stolenBefore float64
}

// end takes note of how long it took, and of how much of it others had.
func (e *environment) end() error {
	e.took = time.Since(e.begun)
	now, err := cpu.Times(false)
	if err != nil {
		return err
	}
	e.stolen = (now[0].Steal - e.stolenBefore) / (e.took.Seconds() * float64(runtime.NumCPU()))
	return nil
}

// look takes note of the environment, apart from the servers' versions.
func look(b *testing.B, name string, f form) environment {
	b.Helper()
	e := environment{form: f, command: "make bench BENCH=" + name, begun: time.Now()}
	processors, cpuErr := cpu.Info()
	memory, memErr := mem.VirtualMemory()
	platform, _, version, hostErr := host.PlatformInformation()
	times, timesErr := cpu.Times(false)
	if err := cmp.Or(cpuErr, memErr, hostErr, timesErr); err != nil {
		b.Fatalf("look at the machine: %v", err)
	}
	e.stolenBefore = times[0].Steal
	e.machine = fmt.Sprintf("%d cores of %s, %.0f GiB of memory, %s %s on %s", runtime.NumCPU(), processors[0].ModelName, float64(memory.Total)/(1<<30), platform, version, runtime.GOARCH)
	e.versions = programVersions(b)
	return e
}

// programVersions are those of Go and of the clients in the projector that is measured.
func programVersions(b *testing.B) string {
	b.Helper()
	info, err := buildinfo.ReadFile(programs.Path(b, "projector"))
	if err != nil {
		b.Fatalf("read what the projector was built of: %v", err)
	}
	versions := []string{"Go " + strings.TrimPrefix(info.GoVersion, "go")}
	for _, dependency := range info.Deps {
		for name, path := range map[string]string{"go-redis": "github.com/redis/go-redis/v9", "kafka-go": "github.com/segmentio/kafka-go"} {
			if dependency.Path == path {
				versions = append(versions, name+" "+dependency.Version)
			}
		}
	}
	return strings.Join(versions, ", ")
}

// serverVersions are those of the arena's Redis and Kafka.
func (a *arena) serverVersions() string {
	a.b.Helper()
	ctx := context.Background()
	info, err := a.redis.InfoMap(ctx, "server").Result()
	if err != nil {
		a.b.Fatalf("ask Redis for its version: %v", err)
	}
	kafka, err := kafkaVersion(ctx, a.producer)
	if err != nil {
		a.b.Fatalf("ask Kafka for its version: %v", err)
	}
	return fmt.Sprintf("Redis %s, Apache Kafka %s", info["Server"]["redis_version"], kafka)
}

// kafkaVersion is what the broker's protocol tells: the first two numbers.
func kafkaVersion(ctx context.Context, client *kgo.Client) (string, error) {
	answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(kversion.FromApiVersionsResponse(answer).VersionGuess(), "v"), nil
}
