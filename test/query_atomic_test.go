package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/query"
)

// rewrite replaces the board, over and over until the test ends: n users, synced
// at second n, user 1 the last of them.
func (s *queryService) rewrite(b leaderboard.Board) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for n := 1; ctx.Err() == nil; n = n%40 + 1 {
			tx := s.redis.TxPipeline()
			tx.Del(ctx, seedLayout.RankKey(b), seedLayout.UsersKey(b))
			for user := 1; user <= n; user++ {
				member := leaderboard.Member(1000, leaderboard.UserID(user))
				tx.ZAdd(ctx, seedLayout.RankKey(b), redis.Z{Score: float64(user), Member: member[:]})
				tx.HSet(ctx, seedLayout.UsersKey(b), leaderboard.UserField(leaderboard.UserID(user)), leaderboard.MemberTime(1000))
			}
			tx.HSet(ctx, seedLayout.BoardsKey(seedLayout.Shard(b)), b.String(), n*1000)
			if _, err := tx.Exec(ctx); err != nil && ctx.Err() == nil {
				s.t.Errorf("rewrite the board: %v", err)
				return
			}
		}
	})
	s.t.Cleanup(func() { cancel(); done.Wait() })
}

func TestQueryAnswersAreOfOneMoment(t *testing.T) {
	s := startQueryService(t)
	b := runningBoard(366)
	s.board(b, leaderboard.Descending, time.Unix(1, 0), seedEntry{1, 1, time.Unix(1, 0)})
	s.rewrite(b)
	for range 300 {
		top := expectAnswer[topAnswer](s, queryRequest{path: topPath + "232?targetId=366&pageSize=100"})
		synced := at(*top.Data.LastSyncTimeISO).Unix()
		if top.Pagination.Total != synced || int64(len(top.Data.Rankings)) != synced {
			t.Fatalf("synced with %d entries, total %d, %d rankings", synced, top.Pagination.Total, len(top.Data.Rankings))
		}
		rank := expectAnswer[rankAnswer](s, queryRequest{path: rankPath + "1"})
		if len(rank.Data.UserRanks) != 1 {
			t.Fatalf("user 1 is not on the board: %+v", rank.Data)
		}
		row, synced := rank.Data.UserRanks[0], at(*rank.Data.LastSyncTimeISO).Unix()
		if row.Rank != synced || row.TotalUsersInTargetGroup != synced {
			t.Fatalf("synced with %d entries, user 1 is number %d of %d", synced, row.Rank, row.TotalUsersInTargetGroup)
		}
	}
}

func TestQueryReadsAPageInOneCommand(t *testing.T) {
	s := startQueryService(t)
	s.board(runningBoard(366), leaderboard.Descending, queryNow, ladder(3)...)
	s.expectOneScript(queryRequest{path: topPath + "232?targetId=366"}, "zrevrange", "zcard")
}

// expectOneScript expects that one script calls the commands, each once, and that
// nothing else is sent. Redis happens to run short pipelines in one go: only the commands
// it saw tell that all of the answer is of one moment.
func (s *queryService) expectOneScript(req queryRequest, commands ...string) {
	s.t.Helper()
	expectAnswer[topAnswer](s, req) // Redis has seen the script
	s.must(s.redis.ConfigResetStat(s.t.Context()).Err())
	expectAnswer[topAnswer](s, req)
	stats, err := s.redis.Info(s.t.Context(), "commandstats").Result()
	s.must(err)
	for _, command := range append(commands, "evalsha_ro") {
		if !strings.Contains(stats, fmt.Sprintf("cmdstat_%s:calls=1,", command)) {
			s.t.Errorf("%s was not called once:\n%s", command, stats)
		}
	}
	if strings.Contains(stats, "cmdstat_multi") || strings.Contains(stats, "cmdstat_eval_ro") {
		s.t.Errorf("more than the script was sent:\n%s", stats)
	}
}

// TestQueryOnARedisCluster asks a cluster as such, and as one behind a proxy, which a
// client takes for a single Redis.
func TestQueryOnARedisCluster(t *testing.T) {
	t.Run("as such", func(t *testing.T) {
		testOnARedisCluster(t, func(cfg *query.Config, addr string) {
			cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{addr}, ContextTimeoutEnabled: true})
			t.Cleanup(func() { _ = cluster.Close() })
			cfg.Redis = cluster
		})
	})
	t.Run("behind a proxy", func(t *testing.T) { testOnARedisCluster(t, func(*query.Config, string) {}) })
}

func testOnARedisCluster(t *testing.T, adjust func(cfg *query.Config, addr string)) {
	s := newQueryServiceOn(t, []string{"--cluster-enabled", "yes"}, adjust)
	ctx := context.Background()
	s.must(s.redis.ClusterAddSlotsRange(ctx, 0, 16383).Err())
	s.await("the cluster is up", func() bool {
		return s.redis.HSet(ctx, "up", "y", "1").Err() == nil
	})
	s.meta()
	s.catalog(queryCatalog)
	s.run()
	s.await("the service is ready", func() bool { return s.server.Ready() == nil })
	seedDocumentedBoard(s)
	expectDocumentedSamples(s, "")
	seedFamily(s)
	expectPlaces(s, queryRequest{path: rankPath + "1", client: "parent", headers: scopeHeaders("ALL", "")},
		"50700:132:1:244=1", "50711:231:366:244=1", "50711:232:365:244=1", "50711:232:366:244=1", "50712:332:1:244=1")
}
