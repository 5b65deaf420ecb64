package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// store reads boards and profiles from Redis.
type store struct {
	redis   redis.UniversalClient
	lanes   *lanes
	log     *slog.Logger
	metrics *metrics
	// apart is whether Redis has said that profiles are in another slot than boards: it
	// is a cluster, or is one behind a proxy.
	apart atomic.Bool
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
type page struct {
	entries []leaderboard.Entry
	// profiles are the records of the entries' users, nil for a user without one; there
	// are none where nobody asked for them.
	profiles []any
	// ahead is how many entries of the board are ahead of the page's.
	ahead int64
	total int64
	// synced is nil for a board without entries.
	synced *leaderboard.Millis
}

// pageScript reads the entries between two places. The replies are those of a part.
var pageScript = newScript(2, partReplies, tellPart(`ARGV[a]`, `ARGV[a + 1]`))

// partReplies is how many replies a script gives that tells a part of a board: the
// entries, each followed by its score, and the profiles.
const partReplies = 2

// tellPart is the body of a script that tells the entries between two places, counted
// from 0, both inclusive.
func tellPart(first, last string) string {
	return fmt.Sprintf(`
    local entries, members = call('ZREVRANGE', rank, %s, %s, 'WITHSCORES'), {}
    if profiles then
      for i = 1, #entries, 2 do members[#members + 1] = string.sub(entries[i], %d) end
    end
    told[n + 1], told[n + 2] = entries, #members > 0 and call('HMGET', profiles, unpack(members))`,
		first, last, leaderboard.MemberTimeSize+1)
}

// page reads the entries from first to last, counted from 0, both inclusive.
func (s *store) page(ctx context.Context, l leaderboard.Layout, b leaderboard.Board, order orderOf, first, last int64, enriched bool) (page, error) {
	p, err := s.part(ctx, boardRead(pageScript, l, b, last-first+1, []any{first, last}), order, enriched)
	p.ahead = first
	return p, err
}

// maxPartWithProfiles is how many entries a part has at most that is read together with
// the profiles: some milliseconds of Redis' time.
const maxPartWithProfiles = 1000

// part reads a part of a board and, where enriched, the profiles of those who are on it:
// in one round trip, or two where the part is large or the profiles are in another slot.
// Those are of a later moment then; nothing depends on it.
func (s *store) part(ctx context.Context, r *read, order orderOf, enriched bool) (page, error) {
	together := enriched && r.size <= maxPartWithProfiles && !s.apart.Load()
	if together {
		r.command.org = r.board.Org
	}
	err := s.lanes.ask(ctx, []*read{r})
	if together && redis.HasErrorPrefix(err, "CROSSSLOT") {
		s.apart.Store(true)
		together, r.command.org, r.err = false, 0, nil
		err = s.lanes.ask(ctx, []*read{r})
	}
	if err != nil {
		return page{}, s.failed("read a part of board "+r.board.String(), err)
	}
	p, err := s.partOf(r, order)
	if err == nil && enriched && !together {
		p.profiles, err = s.profiles(ctx, r.board.Org, p.entries)
	}
	return p, err
}

// partOf is what the read of a part found.
func (s *store) partOf(r *read, order orderOf) (page, error) {
	about, err := s.about(r, order)
	if err != nil {
		return page{}, err
	}
	p := page{total: about.total, synced: about.synced}
	entries, _ := r.replies[0].([]any)
	p.profiles, _ = r.replies[1].([]any)
	p.entries = make([]leaderboard.Entry, len(entries)/2)
	for i := range p.entries {
		if p.entries[i], err = parseEntry(entries[2*i], entries[2*i+1], about.order); err != nil {
			return page{}, fmt.Errorf("board %s: %w", r.board, err)
		}
	}
	return p, nil
}

func parseEntry(memberReply, scoreReply any, order leaderboard.Order) (leaderboard.Entry, error) {
	memberText, _ := memberReply.(string)
	scoreText, _ := scoreReply.(string)
	time, user, memberErr := leaderboard.ParseMember(memberText)
	score, scoreErr := strconv.ParseFloat(scoreText, 64)
	return leaderboard.Entry{UserID: user, Value: leaderboard.ValueOfScore(score, order), LastActivity: time}, cmp.Or(memberErr, scoreErr)
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
		users[i] = leaderboard.MemberUser(e.UserID)
	}
	r := profilesRead(org, users)
	if err := s.lanes.ask(ctx, []*read{r}); err != nil {
		return nil, s.failed("read profiles", err)
	}
	return r.replies, nil
}

// profilesRead asks for the records of users of an organisation, each named by
// [leaderboard.MemberUser].
func profilesRead(org leaderboard.OrgID, users []any) *read {
	return &read{command: commandHead{org: org}, args: users, size: int64(len(users))}
}

// attributes are the values of the fields of each entry's user.
func (s *store) attributes(f *fields, p page) [][]string {
	attributes := slices.Repeat([][]string{f.missing}, len(p.entries))
	for i, profile := range p.profiles {
		if record, ok := profile.(string); ok {
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
