package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// store reads boards and profiles from Redis.
type store struct {
	redis   redis.UniversalClient
	lanes   *lanes
	log     *slog.Logger
	metrics *metrics
}

// errStoreAway says that Redis could not be asked.
var errStoreAway = errors.New("redis is away")

// failed tells Redis' absence from an answer of it that should not be.
func (s *store) failed(doing string, err error) error {
	if !errors.Is(err, context.Canceled) {
		s.metrics.redisErrors.Inc()
	}
	if _, isReply := errors.AsType[redis.Error](err); isReply && !isPassing(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, errStoreAway, err)
}

// isPassing is true of the replies of a Redis that will be back: one that starts, fails over or moves slots.
func isPassing(reply error) bool {
	return redis.IsLoadingError(reply) || redis.IsClusterDownError(reply) || redis.IsMasterDownError(reply) ||
		redis.IsTryAgainError(reply) || redis.IsMaxClientsError(reply) || redis.IsReadOnlyError(reply)
}

// page is a part of a board, its size and its lastSyncTime, all of one moment.
// synced is nil for a board without entries.
type page struct {
	entries []leaderboard.Entry
	// ahead is how many entries of the board are ahead of the page's.
	ahead  int64
	total  int64
	synced *leaderboard.Millis
}

// page reads the entries from first to last, counted from 0, both inclusive. The
// order is the catalog's; a board that was begun with another one keeps that until
// it is made again.
func (s *store) page(ctx context.Context, l leaderboard.Layout, b leaderboard.Board, order leaderboard.Order, first, last int64) (page, error) {
	tx := s.redis.TxPipeline()
	rangeCmd := tx.ZRevRangeWithScores(ctx, l.RankKey(b), first, last)
	cardCmd := tx.ZCard(ctx, l.RankKey(b))
	syncCmd := tx.HGet(ctx, l.BoardsKey(l.Shard(b)), b.String())
	ruleCmd := tx.HGet(ctx, l.RulesKey(l.Shard(b)), b.String())
	if _, err := tx.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return page{}, s.failed("read a page of board "+b.String(), err)
	}
	if rule, err := leaderboard.ParseRule(ruleCmd.Val()); err == nil {
		order = rule.Order
	}
	p := page{ahead: first, total: cardCmd.Val(), entries: make([]leaderboard.Entry, len(rangeCmd.Val()))}
	var err error
	for i, z := range rangeCmd.Val() {
		member, _ := z.Member.(string)
		if p.entries[i], err = parseEntry(member, z.Score, order); err != nil {
			return page{}, fmt.Errorf("board %s: %w", b, err)
		}
	}
	if p.synced, err = parseSync(p.total, syncCmd.Val()); err != nil {
		return page{}, fmt.Errorf("board %s: %w", b, err)
	}
	return p, nil
}

func parseEntry(member string, score float64, order leaderboard.Order) (leaderboard.Entry, error) {
	time, user, err := leaderboard.ParseMember(member)
	return leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(score, order), LastActivity: time}, err
}

func parseSync(total int64, sync string) (*leaderboard.Millis, error) {
	if total == 0 || sync == "" {
		return nil, nil
	}
	ms, err := strconv.ParseInt(sync, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("lastSyncTime %q is not in milliseconds", sync)
	}
	m := leaderboard.Millis(ms)
	return &m, nil
}

// profiles reads the records of the users of the entries, in their order; nil for
// a user without one.
func (s *store) profiles(ctx context.Context, org leaderboard.OrgID, entries []leaderboard.Entry) ([]any, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	users := make([]any, len(entries))
	for i, e := range entries {
		users[i] = int64(e.UserID)
	}
	r := profilesRead(org, users)
	if err := s.lanes.ask(ctx, []*read{r}); err != nil {
		return nil, s.failed("read profiles", err)
	}
	return r.replies, nil
}

// profilesRead asks for the records of users of an organisation.
func profilesRead(org leaderboard.OrgID, users []any) *read {
	return &read{command: commandHead{org: org}, args: users}
}

// attributes are the values of the fields in each record.
func (s *store) attributes(f *fields, records []any) [][]string {
	attributes := make([][]string, len(records))
	for i := range records {
		attributes[i] = f.missing
		if record, ok := records[i].(string); ok {
			attributes[i] = s.attributesOf(f, record)
		}
	}
	return attributes
}

// attributesOf are the values of the fields in one record. One that is not valid
// must not take the whole answer down: it counts as absent.
func (s *store) attributesOf(f *fields, record string) []string {
	values, err := f.profile(record)
	if err != nil {
		s.log.Warn("a profile in Redis is not valid and passed over")
		return f.missing
	}
	return values
}
