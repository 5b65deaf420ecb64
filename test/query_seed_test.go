package test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// seeder writes into Redis what a projector would.
type seeder struct {
	t     *testing.T
	redis *redis.Client
}

func (s *seeder) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// meta names the generation that is read.
func (s *seeder) meta() {
	s.t.Helper()
	s.must(s.redis.HSet(context.Background(), leaderboard.MetaKey,
		leaderboard.MetaRead, seedLayout.Generation, leaderboard.MetaShards(seedLayout.Generation), seedLayout.Shards).Err())
}

// catalog writes records, and moves the catalog's fence with them.
func (s *seeder) catalog(records map[string]string) {
	s.t.Helper()
	tx := s.redis.TxPipeline()
	tx.HSet(context.Background(), leaderboard.CatalogKey, records)
	tx.HIncrBy(context.Background(), leaderboard.CatalogFenceKey, "0", int64(len(records)))
	_, err := tx.Exec(context.Background())
	s.must(err)
}

// seedEntry is a user's place; the value is in thousandths.
type seedEntry struct {
	user  int64
	value int64
	at    time.Time
}

// board fills a board that was synced at that time.
func (s *seeder) board(b leaderboard.Board, order leaderboard.Order, synced time.Time, entries ...seedEntry) {
	s.t.Helper()
	ctx := context.Background()
	tx := s.redis.TxPipeline()
	for _, e := range entries {
		at, user := leaderboard.MillisOf(e.at), leaderboard.UserID(e.user)
		member := leaderboard.Member(at, user)
		score := float64(e.value)
		if order == leaderboard.Ascending {
			score = float64(-e.value)
		}
		tx.ZAdd(ctx, seedLayout.RankKey(b), redis.Z{Score: score, Member: member[:]})
		tx.HSet(ctx, seedLayout.UsersKey(b), leaderboard.UserField(user), leaderboard.MemberTime(at))
	}
	tx.HSet(ctx, seedLayout.BoardsKey(seedLayout.Shard(b)), b.String(), synced.UnixMilli())
	_, err := tx.Exec(ctx)
	s.must(err)
}

// profile writes a user's profile; attributes are name, value, name, value…
func (s *seeder) profile(org, user int64, attributes ...string) {
	s.t.Helper()
	p := leaderboard.Profile{OrgID: leaderboard.OrgID(org), UserID: leaderboard.UserID(user), Attributes: map[string]string{}}
	for i := 0; i < len(attributes); i += 2 {
		p.Attributes[attributes[i]] = attributes[i+1]
	}
	record, err := json.Marshal(p)
	s.must(err)
	s.must(s.redis.HSet(context.Background(), leaderboard.ProfilesKey(p.OrgID), leaderboard.MemberUser(p.UserID), record).Err())
}

// at is an instant in RFC 3339.
func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}
