package faults

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/child"
	"leaderboard/test/programs"
)

// pair is a primary Redis with a replica, over which a Sentinel watches.
type pair struct {
	t                          *testing.T
	primary, replica, sentinel *node
}

// node is one redis-server.
type node struct {
	process *child.Process
	addr    string
	client  *redis.Client
}

// masterName is the primary's for Sentinel.
const masterName = "boards"

// watchedRedis makes a primary, a replica and a Sentinel that promotes the
// replica when the primary was away for two seconds. Sentinel may take a second to
// connect to whom it has just promoted: with less patience it would go back at once.
func watchedRedis(t *testing.T) store {
	t.Helper()
	p := &pair{t: t}
	p.primary = startNode(t, "", "")
	p.replica = startNode(t, fmt.Sprintf("replicaof %s\n", spaced(p.primary.addr)), "")
	p.sentinel = startNode(t, fmt.Sprintf("sentinel monitor %s %s 1\nsentinel down-after-milliseconds %s 2000\nsentinel failover-timeout %s 5000\n",
		masterName, spaced(p.primary.addr), masterName, masterName), "--sentinel")
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: p.sentinel.addr})
	t.Cleanup(func() { _ = sentinel.Close() })
	programs.Await(t, "Sentinel to find the replica", func() error {
		replicas, err := sentinel.Replicas(context.Background(), masterName).Result()
		if err == nil && len(replicas) != 1 {
			err = fmt.Errorf("it knows %d", len(replicas))
		}
		return err
	})
	flags := []string{"--redis-addrs", p.sentinel.addr, "--redis-sentinel-master", masterName}
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: masterName, SentinelAddrs: []string{p.sentinel.addr}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return store{writerFlags: flags, readerFlags: flags, client: client, pair: p}
}

// startNode starts a redis-server with a configuration, on a free port.
func startNode(t *testing.T, configuration, mode string) *node {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not on PATH; install it with `make servers`")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "redis.conf")
	configuration = fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\n", port, dir) + configuration
	if mode == "" {
		configuration += "save \"\"\nrepl-diskless-sync-delay 0\n"
	}
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if mode != "" {
		args = append(args, mode)
	}
	n := &node{
		process: &child.Process{Path: path, Args: args, Dir: dir, Log: filepath.Join(dir, "server.log")},
		addr:    addr,
		client:  redis.NewClient(&redis.Options{Addr: addr}),
	}
	t.Cleanup(func() {
		_ = n.client.Close()
		if n.process.Running() {
			n.signal(t, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("the end of the log of redis-server %s %s:\n%s", addr, mode, n.process.Tail())
		}
	})
	n.start(t)
	return n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	programs.Await(t, "redis-server to answer", func() error {
		if !n.process.Running() {
			t.Fatalf("redis-server ended:\n%s", n.process.Tail())
		}
		return n.client.Ping(context.Background()).Err()
	})
}

func (n *node) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := n.process.Signal(context.Background(), sig); err != nil {
		t.Fatal(err)
	}
}

func spaced(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return host + " " + port
}

// detach makes the replica lag: it is thrown out, and cannot sign in again.
func (p *pair) detach() {
	p.t.Helper()
	ctx := context.Background()
	if err := p.replica.client.ConfigSet(ctx, "masterauth", "wrong").Err(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.primary.client.ClientKillByFilter(ctx, "TYPE", "replica").Err(); err != nil {
		p.t.Fatal(err)
	}
}

// awaitPromoted waits until the replica is the primary, and swaps the two.
func (p *pair) awaitPromoted() {
	p.t.Helper()
	p.replica.awaitRole(p.t, "master")
	p.primary, p.replica = p.replica, p.primary
}

// awaitDemoted waits until the old primary, which is back, knows that it is one no
// longer. Till then it may take writes that will be lost.
func (p *pair) awaitDemoted() {
	p.t.Helper()
	p.replica.awaitRole(p.t, "slave")
}

func (n *node) awaitRole(t *testing.T, role string) {
	t.Helper()
	programs.Await(t, "a Redis to become "+role, func() error {
		info, err := n.client.InfoMap(context.Background(), "replication").Result()
		if now := info["Replication"]["role"]; err == nil && now != role {
			err = fmt.Errorf("it is %s", now)
		}
		return err
	})
}
