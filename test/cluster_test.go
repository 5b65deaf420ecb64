package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestOnACluster does with boards on a Redis Cluster all that can be done with
// boards: serve, verify, repair, export, build again, promote, drop, write to a
// snapshot, and restore from it, on another cluster and on a single Redis.
func TestOnACluster(t *testing.T) {
	d := madeUpPurchases(t)
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: newCluster(t)}
	s.launch(d)
	s.projector.AwaitReady()
	s.applyCatalog(d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)
	s.api.checkBoards(d)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(s.redis, ",")})
	defer cluster.Close()
	for node, keys := range keysByNode(t, cluster, "lb:{1.*}:rank:*") {
		if len(keys) == 0 || len(keys) == len(d.boards) {
			t.Errorf("node %s holds %d of %d boards", node, len(keys), len(d.boards))
		}
	}
	agree := fmt.Sprintf("%d boards, %s entries and 20,000 records agree\n", len(d.boards), thousands(entriesOf(d)))
	s.expectAgreement(agree)

	s.loseOneBoardPerNode(cluster)
	s.expectAgreement(agree)
	s.api.checkBoards(d)
	s.expectProfile(d)
	s.expectExport(d)

	second := s.replaceGeneration(cluster, len(d.boards))
	s.api.checkBoards(d)
	s.expectAgreement(agree)

	url := snapshotURL(t)
	s.create(url)
	second.Stop()
	for name, addrs := range map[string]string{"cluster": newCluster(t), "single Redis": servers.RedisServer(t).Addr()} {
		t.Run("restored on a "+name, func(t *testing.T) {
			elsewhere := &services{t: t, brokers: s.brokers, topics: s.topics, redis: addrs}
			elsewhere.restore(url, 1)
			elsewhere.launch(d)
			elsewhere.projector.AwaitReady()
			elsewhere.query.AwaitReady()
			newAPI(t, elsewhere.query.API(), "tester", "a secret").checkBoards(d)
			elsewhere.expectAgreement(agree)
			elsewhere.projector.Stop()
		})
	}
}

// loseOneBoardPerNode takes the sorted set of a board from each node: verify finds it
// and --repair mends it.
func (s *services) loseOneBoardPerNode(cluster *redis.ClusterClient) {
	s.t.Helper()
	for node, keys := range keysByNode(s.t, cluster, "lb:{1.*}:rank:*") {
		if err := cluster.Del(s.t.Context(), keys[0]).Err(); err != nil {
			s.t.Fatal(err)
		}
		_, board, _ := strings.Cut(keys[0], "rank:")
		if out := s.expectVerify(1); !strings.Contains(out, "board "+board+" differs\n") || strings.Count(out, "differs\n") != 1 {
			s.t.Errorf("without a board on %s verify says\n%s", node, out)
		}
		if out := s.expectVerify(0, "--repair"); !strings.Contains(out, "repaired: it holds what the log says") {
			s.t.Errorf("--repair says\n%s", out)
		}
	}
}

// replaceGeneration builds a second generation, promotes it and drops the first, of
// which nothing is left.
func (s *services) replaceGeneration(cluster *redis.ClusterClient, boards int) *programs.Program {
	s.t.Helper()
	second := s.launchGeneration(2)
	second.AwaitReady()
	s.operate("generations promote 2 --wait 1m")
	s.awaitRead(2)
	s.operate("generations drop 1 --grace 0s")
	s.projector.AwaitEnd(1, "generation 1 was dropped")
	for node, keys := range keysByNode(s.t, cluster, "lb:{1.*") {
		if len(keys) > 0 {
			s.t.Errorf("node %s still holds %v", node, keys)
		}
	}
	if g := s.generation(2); !g.Read || g.Behind != 0 || g.Boards != boards || s.generation(1).Generation != 0 {
		s.t.Errorf("generation 2 is %+v, generation 1 %+v", g, s.generation(1))
	}
	return second
}

// expectProfile publishes a profile, which comes with pages whatever nodes those and the
// profiles are on.
func (s *services) expectProfile(d dataset) {
	s.t.Helper()
	profiles := s.t.TempDir() + "/profiles.jsonl"
	writeFile(s.t, profiles, fmt.Sprintf(`{"orgId":%s,"userId":%s,"attributes":{"first_name":"Tom"}}`, d.org, d.boards[0].Top[0][0]))
	programs.Run(s.t, "profiles", append([]string{"publish", "-f", profiles}, s.kafkaFlags()...)...)
	for _, b := range d.boards {
		programs.Await(s.t, "the profile to be on the board", func() error {
			small, _ := s.api.page(b, 100, 1)
			large, _ := s.api.page(b, 100, 100)
			for i, r := range large {
				name := ""
				if fmt.Sprint(r.User) == d.boards[0].Top[0][0].String() {
					name = "Tom"
				}
				if r.Enrichment.FirstName != name || i < len(small) && small[i] != r {
					return fmt.Errorf("entry %+v of the board, and of the page %+v", r, small[min(i, len(small)-1)])
				}
			}
			return nil
		})
	}
}

func newCluster(t *testing.T) string {
	t.Helper()
	return strings.Join(servers.RedisCluster(t, 3), ",")
}

// keysByNode are the keys of a pattern by the master that holds them.
func keysByNode(t *testing.T, cluster *redis.ClusterClient, pattern string) map[string][]string {
	t.Helper()
	var mu sync.Mutex
	held := map[string][]string{}
	err := cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, pattern).Result()
		slices.Sort(keys)
		mu.Lock()
		defer mu.Unlock()
		held[node.Options().Addr] = keys
		return err
	})
	if err != nil || len(held) != 3 {
		t.Fatalf("%d nodes tell their keys: %v", len(held), err)
	}
	return held
}

func entriesOf(d dataset) int {
	entries := 0
	for _, b := range d.boards {
		entries += b.Total
	}
	return entries
}

func (s *services) expectAgreement(agree string) {
	s.t.Helper()
	if out := s.expectVerify(0); out != agree {
		s.t.Errorf("verify says %q, want %q", out, agree)
	}
}

// expectExport requires that a user is told the same ranks by the export as by the
// API.
func (s *services) expectExport(d dataset) {
	s.t.Helper()
	user, err := d.boards[0].Top[0][0].Int64()
	if err != nil {
		s.t.Fatal(err)
	}
	want := map[string]int64{}
	for _, b := range d.boards {
		page, _ := s.api.page(b, 100, 100)
		for _, r := range page {
			if r.User == user {
				want[fmt.Sprintf("%d/%d", b.Target, b.Period)] = int64(r.Rank)
			}
		}
	}
	cmd := programs.Command(s.t, "export", append(s.kafkaFlags(), "--redis-addrs", s.redis, "--org", d.org, "--user", fmt.Sprint(user))...)
	var e exported
	if err := json.Unmarshal([]byte(s.said(cmd)), &e); err != nil {
		s.t.Fatal(err)
	}
	got := map[string]int64{}
	for _, entry := range e.Entries {
		got[fmt.Sprintf("%d/%d", entry.TargetRuleID, entry.PeriodID)] = entry.Rank
	}
	if len(want) < 2 || !maps.Equal(got, want) {
		s.t.Errorf("the export has the ranks %v, the API %v", got, want)
	}
}
