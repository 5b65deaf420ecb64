package test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestServersComeAndGo starts the daemons before their servers, and then takes
// away one after the other: Redis by SIGKILL, so that it may lose its last second,
// Kafka in order. A second projector comes and goes meanwhile.
func TestServersComeAndGo(t *testing.T) {
	d := madeUpPurchases(t)
	redis, kafka := servers.RedisServer(t, "--appendonly", "yes"), servers.KafkaServer(t)
	s := &services{t: t, brokers: []string{kafka.Addr()}, topics: "away.", redis: redis.Addr()}
	redis.Stop()
	kafka.Stop()

	s.launch(d)
	s.projector.AwaitNotReady("KAFKA_BROKERS", "REDIS_ADDRS")
	s.query.AwaitNotReady("REDIS_ADDRS")
	redis.Start()
	kafka.Start()
	s.projector.AwaitReady()
	s.applyCatalog(d)

	parts := splitLines(t, d.activities, 4)
	publish := func(part int) {
		t.Helper()
		programs.Run(t, "publish", append(s.kafkaFlags(), "-f", parts[part])...)
	}
	publish(0)
	redis.Kill()
	publish(1)
	s.expectUnavailable(d.boards[0])
	redis.Start()
	second := s.launchProjector()
	publish(2)
	second.AwaitReady()
	kafka.Stop()
	s.projector.AwaitNotReady("KAFKA_BROKERS")
	kafka.Start()
	s.projector.AwaitReady()
	publish(3)
	second.Stop()

	s.awaitHandled(d.records)
	s.query.AwaitReady()
	s.api.checkBoards(d)
	s.projector.Stop()
	s.query.Stop()
}

// TestRedisEmptied takes everything from Redis: the boards, the catalog and the
// profiles come again from the log.
func TestRedisEmptied(t *testing.T) {
	d := madeUpPurchases(t)
	redis := servers.RedisServer(t)
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: redis.Addr()}
	s.launch(d)
	s.projector.AwaitReady()
	s.applyCatalog(d)
	programs.Run(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
	s.awaitHandled(d.records)
	redis.Kill()
	redis.Start()
	programs.Await(t, "the projector to notice the loss", func() error {
		if s.projector.Metric("leaderboard_rewinds_total") == 0 {
			return fmt.Errorf("it has not")
		}
		return nil
	})
	s.projector.AwaitRecords(2 * d.records)
	s.query.AwaitReady()
	s.api.checkBoards(d)
}

// expectUnavailable asks while Redis is away.
func (s *services) expectUnavailable(b expectedBoard) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/v3.1/leaderboards/targetGroups/%d?targetId=%d&periodId=%d", s.api.url, b.Group, b.Target, b.Period), http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	request.SetBasicAuth(s.api.id, s.api.secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
		s.t.Errorf("without Redis the API answers %s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
	}
}

// splitLines divides a file into parts, in order.
func splitLines(t *testing.T, path string, parts int) []string {
	t.Helper()
	lines := strings.SplitAfter(strings.TrimSpace(readFile(t, path))+"\n", "\n")
	lines = lines[:len(lines)-1]
	paths := make([]string, parts)
	for i := range paths {
		paths[i] = filepath.Join(t.TempDir(), fmt.Sprintf("part%d.jsonl", i))
		writeFile(t, paths[i], strings.Join(lines[len(lines)*i/parts:len(lines)*(i+1)/parts], ""))
	}
	return paths
}

// TestEvictingRedisIsRefused starts a projector on a Redis that would drop keys.
func TestEvictingRedisIsRefused(t *testing.T) {
	d := madeUpPurchases(t)
	redis := servers.RedisServer(t, "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: redis.Addr()}
	s.launch(d)
	s.projector.AwaitNotReady("maxmemory-policy allkeys-lru", "set maxmemory-policy to noeviction")
	s.publishPart(d.activities)
	s.projector.AwaitNotReady("maxmemory-policy allkeys-lru")
	if keys := dumpKeys(t, s.store(), "lb:{1.*"); len(keys) > 0 {
		t.Errorf("%d keys are written to it all the same", len(keys))
	}
	if err := s.store().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	s.projector.AwaitReady()
	s.applyCatalog(d)
	s.awaitHandled(d.records)
	s.projector.Stop()
}
