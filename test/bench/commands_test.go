package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// trackLatency lets Redis tell how long its longest commands took. A transaction
// is one command, EXEC, and so is a script.
func trackLatency(ctx context.Context, client *redis.Client) error {
	return client.ConfigSet(ctx, "latency-tracking-info-percentiles", "99 100").Err()
}

// forgetCommands makes commandTimes begin anew.
func (a *arena) forgetCommands() {
	a.b.Helper()
	if err := a.redis.ConfigResetStat(context.Background()).Err(); err != nil {
		a.b.Fatalf("reset the statistics of Redis: %v", err)
	}
}

var latency = regexp.MustCompile(`latency_percentiles_usec_([^:]+):p99=([0-9.]+),p100=([0-9.]+)`)

// commandTimes adds for how many milliseconds Redis was held by one command at most,
// and by 99 % of the transactions, as Redis itself has measured it.
func (a *arena) commandTimes(r readings) {
	a.b.Helper()
	info, err := a.redis.Info(context.Background(), "latencystats").Result()
	for _, match := range latency.FindAllStringSubmatch(info, -1) {
		var most, longest float64
		if most, err = strconv.ParseFloat(match[2], 64); err != nil {
			break
		}
		if longest, err = strconv.ParseFloat(match[3], 64); err != nil {
			break
		}
		if match[1] == "exec" {
			r[longTransactions] = most / 1000
		}
		r[longestCommand] = max(r[longestCommand], longest/1000)
	}
	if err == nil && r[longTransactions] == 0 {
		err = fmt.Errorf("there is no transaction in %q", info)
	}
	if err != nil {
		a.b.Fatalf("read how long the commands of Redis took: %v", err)
	}
}

// waitingSeconds is how long Redis' main thread has waited for a core while it had
// something to do; not known where the kernel does not tell.
func (a *arena) waitingSeconds() (seconds float64, known bool) {
	a.b.Helper()
	info, err := a.redis.InfoMap(context.Background(), "server").Result()
	if err != nil {
		a.b.Fatalf("ask Redis for its process: %v", err)
	}
	pid := strings.TrimSpace(info["Server"]["process_id"])
	text, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/schedstat")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false
	}
	var ran, waited int64
	if err == nil {
		_, err = fmt.Sscan(string(text), &ran, &waited)
	}
	if err != nil {
		a.b.Fatalf("read how long Redis has waited for a core: %v", err)
	}
	return time.Duration(waited).Seconds(), true
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
