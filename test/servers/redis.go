package servers

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisServer starts a Redis of the test's own. It persists nothing unless args
// ask for it, in the way of redis-server's command line: "--appendonly", "yes".
func RedisServer(t testing.TB, args ...string) *Process {
	t.Helper()
	s, err := launch(context.Background(), func(port int) (*server, error) { return newRedis(port, args) })
	if err != nil {
		t.Fatalf("start a Redis: %v", err)
	}
	return control(t, s)
}

var redisImage = newImage("TEST_REDIS_IMAGE", "redis:7-alpine")

func newRedis(port int, args []string) (*server, error) {
	var (
		s      = &server{addr: loopback(port)}
		dir    string
		origin string
	)
	if redisImage.usable() {
		dir, origin = "/data", "container of "+redisImage.name
		addr, binding := engine().publish(port)
		s.addr, s.machine = addr, newContainer(redisImage, redisPort, binding, redisCommand("0.0.0.0", redisPort, dir, append([]string{"--protected-mode", "no"}, args...)), nil)
	} else {
		path, err := exec.LookPath("redis-server")
		if err != nil {
			return nil, errors.New("redis-server is not on PATH; install it with `make servers`, or name a running one in TEST_REDIS_ADDRS")
		}
		if dir, err = newDir("redis"); err != nil {
			return nil, err
		}
		origin = "redis-server"
		s.machine = newProcess(dir, path, redisCommand("127.0.0.1", port, dir, args)[1:]...)
	}
	s.ready = func(ctx context.Context) error {
		version, err := redisReady(ctx, s.addr, dir)
		if err == nil {
			announce("redis", "redis: %s %s started at %s", origin, version, s.addr)
		}
		return err
	}
	return s, nil
}

// redisPort is where a Redis listens inside its container.
const redisPort = 6379

func redisCommand(bind string, port int, dir string, args []string) []string {
	return append([]string{
		"redis-server", "--bind", bind, "--port", strconv.Itoa(port), "--dir", dir, "--save", "", "--appendonly", "no",
	}, args...)
}

// redisReady is the version of the Redis at addr, if that is the one whose
// directory is dir and it has loaded its data.
func redisReady(ctx context.Context, addr, dir string) (version string, err error) {
	client := redisClient(addr)
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", err
	}
	settings, err := client.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return "", err
	}
	if settings["dir"] != dir {
		return "", fmt.Errorf("%s belongs to another Redis", addr)
	}
	return redisVersion(ctx, client)
}

func redisVersion(ctx context.Context, client *redis.Client) (string, error) {
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	return info["Server"]["redis_version"], nil
}

func redisClient(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, PoolSize: 1})
}
