package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gofrs/flock"
)

// Redis is the address of an empty Redis that is the test's alone until it ends:
// a process of its own where that is possible, else one that tests take in turn.
func Redis(t testing.TB) string {
	t.Helper()
	addr, err := turnRedis()
	if err != nil {
		t.Fatalf("find a Redis: %v", err)
	}
	if addr == "" {
		return RedisServer(t).Addr()
	}
	takeTurn(t)
	client := redisClient(addr)
	defer client.Close()
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		t.Fatalf("empty the Redis at %s: %v", addr, err)
	}
	return addr
}

// turnRedis is the Redis that tests take in turn, empty when there is none.
func turnRedis() (addr string, err error) {
	addr = os.Getenv("TEST_REDIS_ADDRS")
	switch {
	case strings.Contains(addr, ","):
		return "", errors.New("TEST_REDIS_ADDRS names several; the tests want one Redis that is no cluster")
	case addr != "":
		client := redisClient(addr)
		defer client.Close()
		version, err := redisVersion(context.Background(), client)
		if err != nil {
			return "", fmt.Errorf("reach the one of TEST_REDIS_ADDRS: %w", err)
		}
		announce("redis given", "redis: Redis %s at %s, of TEST_REDIS_ADDRS", version, addr)
		return addr, nil
	case redisImage.usable():
		return sharedRedis.start(func(port int) (*server, error) { return newRedis(port, nil) })
	}
	return "", nil
}

// turnOf is the name of the test whose turn it is, empty between turns.
var turnOf atomic.Value

// takeTurn returns when it is the test's turn, before all others of this binary
// and of those that run beside it.
func takeTurn(t testing.TB) {
	t.Helper()
	if test, _ := turnOf.Load().(string); test != "" && strings.HasPrefix(t.Name()+"/", test+"/") {
		t.Fatalf("%s has the Redis already; take a second one with servers.RedisServer", test)
	}
	turn := flock.New(filepath.Join(os.TempDir(), "leaderboard-redis.lock"))
	if err := turn.Lock(); err != nil {
		t.Fatalf("wait for the Redis: %v", err)
	}
	turnOf.Store(t.Name())
	t.Cleanup(func() {
		turnOf.Store("")
		if err := turn.Unlock(); err != nil {
			t.Errorf("give up the Redis: %v", err)
		}
	})
}
