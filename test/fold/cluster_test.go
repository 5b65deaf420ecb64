package fold

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/servers"
)

// newCluster starts a Redis Cluster of that many masters.
func newCluster(t *testing.T, nodes int) *redis.ClusterClient {
	t.Helper()
	ctx := context.Background()
	const slots = 16384
	addrs := make([]string, nodes)
	clients := make([]*redis.Client, nodes)
	for i := range nodes {
		addrs[i] = servers.RedisServer(t, "--cluster-enabled", "yes").Addr()
		clients[i] = redis.NewClient(&redis.Options{Addr: addrs[i]})
		t.Cleanup(func() { _ = clients[i].Close() })
		if err := clients[i].ClusterAddSlotsRange(ctx, slots*i/nodes, slots*(i+1)/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(addrs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := clients[i].ClusterMeet(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for i := 0; i < nodes; {
		info, err := clients[i].ClusterInfo(ctx).Result()
		up := strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d", slots)) &&
			strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", nodes))
		switch {
		case err == nil && up:
			i++
		case time.Now().After(deadline):
			t.Fatalf("the cluster does not come up: %v\n%s", err, info)
		default:
			time.Sleep(20 * time.Millisecond)
		}
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// onEveryNode does something to a single Redis, or to every master of a cluster.
func onEveryNode(client redis.UniversalClient, do func(*redis.Client) error) error {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(context.Background(), func(_ context.Context, node *redis.Client) error { return do(node) })
	case *redis.Client:
		return do(c)
	default:
		panic("neither a single Redis nor a cluster")
	}
}
