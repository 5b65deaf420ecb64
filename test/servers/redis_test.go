package servers_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/servers"
)

const key = "a"

func connect(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func set(t *testing.T, client *redis.Client, value string) {
	t.Helper()
	if err := client.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, client *redis.Client, want string) {
	t.Helper()
	got, err := client.Get(t.Context(), key).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the value is %q, want %q", got, want)
	}
}

func TestRedisIsEmptyForEveryTest(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, servers.Redis(t))
			if n, err := client.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("%d keys, error %v", n, err)
			}
			set(t, client, "left behind")
		})
	}
}

func TestRedisWithAppendOnlyFileKeepsItsDataWhenKilled(t *testing.T) {
	server := servers.RedisServer(t, "--appendonly", "yes", "--appendfsync", "always")
	addr := server.Addr()
	client := connect(t, addr)
	set(t, client, "1")
	server.Kill()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a killed Redis answers")
	}
	server.Start()
	expect(t, client, "1")
	set(t, client, "2")
	server.Stop()
	server.Start()
	expect(t, client, "2")
	if server.Addr() != addr {
		t.Errorf("address %s became %s", addr, server.Addr())
	}
}

func TestRedisLosesItsDataWhenKilled(t *testing.T) {
	server := servers.RedisServer(t)
	client := connect(t, server.Addr())
	set(t, client, "1")
	server.Kill()
	server.Start()
	expect(t, client, "")
}

func TestPausedRedisAnswersAfterResume(t *testing.T) {
	server := servers.RedisServer(t)
	client := connect(t, server.Addr())
	set(t, client, "1")
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var timeout net.Error
	if err := client.Ping(ctx).Err(); !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &timeout) || !timeout.Timeout()) {
		t.Errorf("a paused Redis answered with error %v", err)
	}
	server.Resume()
	expect(t, client, "1")
}

func TestRedisOfTheEnvironmentIsEmptyForEveryTest(t *testing.T) {
	addr := servers.RedisServer(t).Addr()
	t.Setenv("TEST_REDIS_ADDRS", addr)
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			got := servers.Redis(t)
			if got != addr {
				t.Errorf("the Redis is at %s, want %s", got, addr)
			}
			client := connect(t, got)
			if n, err := client.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("%d keys, error %v", n, err)
			}
			set(t, client, "left behind")
		})
	}
}
