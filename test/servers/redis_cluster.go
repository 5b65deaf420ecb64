package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// RedisCluster starts a Redis Cluster of so many masters, the test's own, and gives
// their addresses.
func RedisCluster(t testing.TB, masters int) []string {
	t.Helper()
	addrs := make([]string, masters)
	for i := range addrs {
		addrs[i] = RedisServer(t, "--cluster-enabled", "yes").Addr()
	}
	if err := formCluster(addrs); err != nil {
		t.Fatalf("make a cluster of %s: %v", strings.Join(addrs, ", "), err)
	}
	return addrs
}

const hashSlots = 16384

// formCluster makes the servers a cluster, and waits until they agree on it.
func formCluster(addrs []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for i, addr := range addrs {
		if err := join(ctx, addr, addrs[0], hashSlots*i/len(addrs), hashSlots*(i+1)/len(addrs)-1); err != nil {
			return err
		}
	}
	for _, addr := range addrs {
		if err := awaitMember(ctx, addr, len(addrs)); err != nil {
			return err
		}
	}
	return nil
}

// join gives a server its part of the slots and lets it meet another one.
func join(ctx context.Context, addr, other string, firstSlot, lastSlot int) error {
	host, port, err := net.SplitHostPort(other)
	if err != nil {
		return err
	}
	node := redisClient(addr)
	defer node.Close()
	return errors.Join(node.ClusterAddSlotsRange(ctx, firstSlot, lastSlot).Err(), node.ClusterMeet(ctx, host, port).Err())
}

// awaitMember waits until a server knows all the masters, and where every slot is.
func awaitMember(ctx context.Context, addr string, masters int) error {
	node := redisClient(addr)
	defer node.Close()
	want := []string{"cluster_state:ok", fmt.Sprintf("cluster_slots_ok:%d", hashSlots), fmt.Sprintf("cluster_known_nodes:%d", masters)}
	for {
		info, err := node.ClusterInfo(ctx).Result()
		if err == nil && containsAll(info, want) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s is not in it after %s: %w\n%s", addr, startLimit, errors.Join(err, ctx.Err()), info)
		}
		time.Sleep(readyBetween)
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
