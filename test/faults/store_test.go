package faults

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/servers"
)

// store is a Redis, and how to reach it.
type store struct {
	// writerFlags lead projectors to it, readerFlags the query service.
	writerFlags, readerFlags []string
	// client is the test's own.
	client redis.UniversalClient
	// process and link are those of a single Redis; projectors come by the link.
	process *servers.Process
	link    *link
	// pair is a primary with its replica, nil when there is a single Redis.
	pair *pair
}

// singleRedis makes one Redis, in the way of redis-server's command line.
func singleRedis(args ...string) func(*testing.T) store {
	return func(t *testing.T) store {
		t.Helper()
		process := servers.RedisServer(t, args...)
		l := newLink(t, process.Addr())
		client := redis.NewClient(&redis.Options{Addr: process.Addr(), ContextTimeoutEnabled: true})
		t.Cleanup(func() { _ = client.Close() })
		return store{
			writerFlags: []string{"--redis-addrs", l.Addr()},
			readerFlags: []string{"--redis-addrs", process.Addr()},
			client:      client,
			process:     process,
			link:        l,
		}
	}
}

// appendOnly are the arguments of a Redis that writes its log every second.
var appendOnly = []string{"--appendonly", "yes", "--appendfsync", "everysec"}
