package daemon

import (
	"context"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// TestRedisIsMeasured sends what the services send, by the client and by a
// connection of it: each request counts once, on a cluster too.
func TestRedisIsMeasured(t *testing.T) {
	for name, isCluster := range map[string]bool{"one server": false, "cluster": true} {
		t.Run(name, func(t *testing.T) {
			client, err := (&Redis{Addrs: []string{miniredis.RunT(t).Addr()}, Cluster: isCluster}).Client("test")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			registry := prometheus.NewRegistry()
			MeasureRedis(client, registry)
			ctx := t.Context()
			node, isSingle := client.(*redis.Client)
			if !isSingle {
				if node, err = client.(*redis.ClusterClient).MasterForKey(ctx, "key"); err != nil {
					t.Fatal(err)
				}
			}
			connection := node.Conn()
			defer func() { _ = connection.Close() }()
			for kind, send := range map[string]func() error{
				"command":               func() error { return client.Set(ctx, "key", 1, 0).Err() },
				"pipeline":              func() error { return setTwice(ctx, client.Pipeline()) },
				"transaction":           func() error { return setTwice(ctx, client.TxPipeline()) },
				"connection's pipeline": func() error { return setTwice(ctx, connection.Pipeline()) },
			} {
				before := uint64(0)
				for range 2 { // the first may have to connect, which takes requests too
					before = requests(t, registry)
					if err := send(); err != nil {
						t.Fatal(err)
					}
				}
				if got := requests(t, registry) - before; got != 1 {
					t.Errorf("a %s counts as %d requests", kind, got)
				}
			}
		})
	}
}

func setTwice(ctx context.Context, pipe redis.Pipeliner) error {
	pipe.Set(ctx, "key", 1, 0)
	pipe.Set(ctx, "key", 2, 0)
	_, err := pipe.Exec(ctx)
	return err
}

func requests(t *testing.T, registry *prometheus.Registry) uint64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetHistogram().GetSampleCount()
}
