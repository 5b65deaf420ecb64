package bench

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// trackLatency lets Redis tell how long its longest commands took. A transaction
// is one command, EXEC, and so is a script.
func trackLatency(ctx context.Context, client *redis.Client) error {
	return client.ConfigSet(ctx, "latency-tracking-info-percentiles", "100").Err()
}

// forgetCommands makes longestCommand begin anew.
func (a *arena) forgetCommands() {
	a.b.Helper()
	if err := a.redis.ConfigResetStat(context.Background()).Err(); err != nil {
		a.b.Fatalf("reset the statistics of Redis: %v", err)
	}
}

var latency = regexp.MustCompile(`latency_percentiles_usec_([^:]+):p100=([0-9.]+)`)

// longestCommand is how many milliseconds Redis was held by one command at most,
// as Redis itself has measured it.
func (a *arena) longestCommand() float64 {
	a.b.Helper()
	info, err := a.redis.Info(context.Background(), "latencystats").Result()
	longest := 0.0
	for _, match := range latency.FindAllStringSubmatch(info, -1) {
		var µs float64
		if µs, err = strconv.ParseFloat(match[2], 64); err != nil {
			break
		}
		longest = max(longest, µs/1000)
	}
	if err == nil && longest == 0 {
		err = fmt.Errorf("there is none in %q", info)
	}
	if err != nil {
		a.b.Fatalf("read how long the commands of Redis took: %v", err)
	}
	return longest
}

// redisSeconds is the CPU time that Redis' main thread has taken.
func (a *arena) redisSeconds() float64 {
	a.b.Helper()
	info, err := a.redis.InfoMap(context.Background(), "cpu").Result()
	if err != nil {
		a.b.Fatalf("read the CPU time of Redis: %v", err)
	}
	seconds := 0.0
	for _, field := range []string{"used_cpu_user_main_thread", "used_cpu_sys_main_thread"} {
		some, err := strconv.ParseFloat(strings.TrimSpace(info["CPU"][field]), 64)
		if err != nil {
			a.b.Fatalf("read the CPU time of Redis: %v", err)
		}
		seconds += some
	}
	return seconds
}

// projectorSeconds is the CPU time that the projectors have taken.
func (a *arena) projectorSeconds() float64 {
	seconds := 0.0
	for _, p := range a.projectors {
		seconds += p.Metric("process_cpu_seconds_total")
	}
	return seconds
}
