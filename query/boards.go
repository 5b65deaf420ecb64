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
	total   int64
	synced  *leaderboard.Millis
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
	p := page{total: cardCmd.Val(), entries: make([]leaderboard.Entry, len(rangeCmd.Val()))}
	for i, z := range rangeCmd.Val() {
		member, _ := z.Member.(string)
		time, user, err := leaderboard.ParseMember(member)
		if err != nil {
			return page{}, fmt.Errorf("board %s: %w", b, err)
		}
		p.entries[i] = leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(z.Score, order), LastActivity: time}
	}
	var err error
	p.synced, err = parseSync(p.total, syncCmd.Val())
	if err != nil {
		return page{}, fmt.Errorf("board %s: %w", b, err)
	}
	return p, nil
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

// standing is a user's place on a board, the board's size and its
// lastSyncTime, all of one moment.
type standing struct {
	entry  leaderboard.Entry
	rank   int64
	total  int64
	synced *leaderboard.Millis
}

// standingScript finds the member from its time, and its place and score. KEYS: rank,
// users, boards, rules; ARGV: the user's field, the user's half of the member, board.
var standingScript = redis.NewScript(`
local time = redis.call('HGET', KEYS[2], ARGV[1])
local rank, score = false, false
if time then
  local member = time .. ARGV[2]
  rank, score = redis.call('ZREVRANK', KEYS[1], member), redis.call('ZSCORE', KEYS[1], member)
end
return {rank, score, time, redis.call('ZCARD', KEYS[1]), redis.call('HGET', KEYS[3], ARGV[3]), redis.call('HGET', KEYS[4], ARGV[3])}`)

// runScript is the way a script is sent: by its hash, or in full.
type runScript func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// orderOf is a board's order as the catalog has it, see [store.page].
type orderOf func(leaderboard.Board) leaderboard.Order

// standings reads the user's place on each board, nil where the user has none,
// and the user's profile: that of the first organisation that has one. All in
// one round trip, or two when a Redis has not seen the script yet.
func (s *store) standings(ctx context.Context, l leaderboard.Layout, boards []leaderboard.Board, order orderOf, user leaderboard.UserID, orgs []leaderboard.OrgID) ([]*standing, leaderboard.Profile, error) {
	found, profiles, err := s.askStandings(ctx, standingScript.EvalShaRO, l, boards, user, orgs)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		found, profiles, err = s.askStandings(ctx, standingScript.EvalRO, l, boards, user, orgs)
	}
	if err != nil {
		return nil, leaderboard.Profile{}, s.failed("read the standings of a user", err)
	}
	standings := make([]*standing, len(boards))
	for i, b := range boards {
		if standings[i], err = parseStanding(found[i].Val(), order(b), user); err != nil {
			return nil, leaderboard.Profile{}, fmt.Errorf("board %s: %w", b, err)
		}
	}
	for _, cmd := range profiles {
		if cmd.Err() == nil {
			return standings, s.profile(cmd.Val()), nil
		}
	}
	return standings, leaderboard.Profile{}, nil
}

// askStandings sends everything in one pipeline, which may span the nodes of a cluster.
func (s *store) askStandings(ctx context.Context, run runScript, l leaderboard.Layout, boards []leaderboard.Board, user leaderboard.UserID, orgs []leaderboard.OrgID) ([]*redis.Cmd, []*redis.StringCmd, error) {
	userID := strconv.FormatInt(int64(user), 10)
	field, member := leaderboard.UserField(user), leaderboard.Member(0, user)
	pipe := s.redis.Pipeline()
	found := make([]*redis.Cmd, len(boards))
	for i, b := range boards {
		shard := l.Shard(b)
		keys := []string{l.RankKey(b), l.UsersKey(b), l.BoardsKey(shard), l.RulesKey(shard)}
		found[i] = run(ctx, pipe, keys, field, member[leaderboard.MemberTimeSize:], b.String())
	}
	profiles := make([]*redis.StringCmd, len(orgs))
	for i, org := range orgs {
		profiles[i] = pipe.HGet(ctx, leaderboard.ProfilesKey(org), userID)
	}
	if pipe.Len() == 0 {
		return nil, nil, nil
	}
	cmds, err := pipe.Exec(ctx)
	if err == nil || !errors.Is(err, redis.Nil) {
		return found, profiles, err
	}
	// Exec tells the first error alone, and an unknown profile is none.
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, nil, err
		}
	}
	return found, profiles, nil
}

// parseStanding reads the script's answer; nil when the user is not on the board.
func parseStanding(answer any, order leaderboard.Order, user leaderboard.UserID) (*standing, error) {
	fields, _ := answer.([]any)
	if len(fields) != 6 {
		return nil, fmt.Errorf("a standing has %d fields, not 6", len(fields))
	}
	rank, isRanked := fields[0].(int64)
	scoreText, _ := fields[1].(string)
	timeText, _ := fields[2].(string)
	total, _ := fields[3].(int64)
	sync, _ := fields[4].(string)
	ruleText, _ := fields[5].(string)
	if !isRanked {
		return nil, nil
	}
	time, err := leaderboard.ParseMemberTime(timeText)
	if err != nil {
		return nil, err
	}
	score, err := strconv.ParseFloat(scoreText, 64)
	if err != nil {
		return nil, err
	}
	if rule, err := leaderboard.ParseRule(ruleText); err == nil {
		order = rule.Order
	}
	synced, err := parseSync(total, sync)
	if err != nil {
		return nil, err
	}
	entry := leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(score, order), LastActivity: time}
	return &standing{entry: entry, rank: rank + 1, total: total, synced: synced}, nil
}

// profiles reads the profiles of the users of the entries, in their order; a
// user without one has an empty profile.
func (s *store) profiles(ctx context.Context, org leaderboard.OrgID, entries []leaderboard.Entry) ([]leaderboard.Profile, error) {
	profiles := make([]leaderboard.Profile, len(entries))
	if len(entries) == 0 {
		return profiles, nil
	}
	users := make([]string, len(entries))
	for i, e := range entries {
		users[i] = strconv.FormatInt(int64(e.UserID), 10)
	}
	values, err := s.redis.HMGet(ctx, leaderboard.ProfilesKey(org), users...).Result()
	if err != nil {
		return nil, s.failed("read profiles", err)
	}
	for i, value := range values {
		if record, ok := value.(string); ok {
			profiles[i] = s.profile(record)
		}
	}
	return profiles, nil
}

// profile reads one record. One that is not valid must not take the whole
// answer down: it counts as absent.
func (s *store) profile(record string) leaderboard.Profile {
	p, err := leaderboard.ParseProfile([]byte(record))
	if err != nil {
		s.log.Warn("a profile in Redis is not valid and passed over")
		return leaderboard.Profile{}
	}
	return p
}
