package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

const (
	org       leaderboard.OrgID    = 50711
	period    leaderboard.PeriodID = 243
	firstUser leaderboard.UserID   = 300_000_001

	// singleGroup has a target for every board that is alone in its set.
	singleGroup leaderboard.TargetGroupID = 232
	// Groups from manyGroup on have the boards of the set of many.
	manyGroup leaderboard.TargetGroupID = 1001
)

// targetsOfAGroup is how many boards of the set of many a group has.
const targetsOfAGroup = 100

var (
	periodStart = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	periodEnd   = periodStart.AddDate(100, 0, 0)
)

// boardSet is a number of boards of one size. The boards of a block have the same
// users, those of different blocks have none in common.
type boardSet struct {
	name   string
	boards []leaderboard.Board
	users  int
	block  int
}

// single is a set of one board. Rules from 1 on have a board each.
func single(rule leaderboard.TargetRuleID, users int) *boardSet {
	return &boardSet{
		name: fmt.Sprintf("single:%d", rule), users: users, block: 1,
		boards: []leaderboard.Board{{Org: org, Group: singleGroup, Rule: rule, Period: period}},
	}
}

// firstGrowing is the first rule of boards of various sizes.
const firstGrowing leaderboard.TargetRuleID = 3

// singles is how many targets singleGroup has.
const singles = 8

var (
	million = single(1, 1_000_000)
	empty   = single(2, 1_000_000)
	many    = newMany()
)

// newMany is 10,000 boards of 100 users.
func newMany() *boardSet {
	s := &boardSet{name: "many", users: 100, block: maxRanks}
	for i := range 10_000 {
		s.boards = append(s.boards, leaderboard.Board{
			Org: org, Group: manyGroup + leaderboard.TargetGroupID(i/targetsOfAGroup),
			Rule: leaderboard.TargetRuleID(1 + i%targetsOfAGroup), Period: period,
		})
	}
	return s
}

// maxRanks is how many ranks can be asked for at once.
const maxRanks = 25

// user is number i of a board's users.
func (s *boardSet) user(board, i int) leaderboard.UserID {
	return firstUser + leaderboard.UserID(board/s.block*s.users+i)
}

// entries are what a board holds before the first activity: the same for every
// contender and in every run.
func (s *boardSet) entries(board int) iter.Seq[leaderboard.Entry] {
	return func(yield func(leaderboard.Entry) bool) {
		random := rand.New(rand.NewPCG(1, uint64(board)))
		for i := range s.users {
			e := leaderboard.Entry{
				UserID:       s.user(board, i),
				Value:        leaderboard.Value(random.Int64N(1_000_000_000)),
				LastActivity: leaderboard.MillisOf(periodStart) + leaderboard.Millis(random.Int64N(int64(365*24*time.Hour/time.Millisecond))),
			}
			if !yield(e) {
				return
			}
		}
	}
}

// rule is the one of all boards.
var rule = leaderboard.Rule{Aggregate: leaderboard.Sum, Order: leaderboard.Descending, Start: leaderboard.MillisOf(periodStart), End: leaderboard.MillisOf(periodEnd)}

// boardsOf are as many boards as can be asked for at once on which a user of the set
// of many stands: the one of a million users, and those of the user's block.
func boardsOf(user leaderboard.UserID) []leaderboard.Board {
	first := int(user-firstUser) / many.users * many.block
	return append(million.boards[:1:1], many.boards[first:first+maxRanks-1]...)
}

// manyUsers is how many users the set of many has in all.
var manyUsers = len(many.boards) / many.block * many.users

// catalog is the file for `leaderboard catalog apply`.
func catalog() string {
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "orgs:\n  - {orgId: %d, name: Acme, timeZone: Asia/Kolkata, enrichment: [birthday, gender, anniversary]}\ntargetGroups:\n", org)
	group := func(id leaderboard.TargetGroupID, targets int) {
		fmt.Fprintf(&yaml, "  - targetGroupId: %d\n    orgId: %d\n    name: Group\n    periods:\n      - {periodId: %d, refCode: period, start: %q, end: %q}\n    targets:\n",
			id, org, period, periodStart.Format(time.RFC3339), periodEnd.Format(time.RFC3339))
		for rule := range targets {
			fmt.Fprintf(&yaml, "      - {targetRuleId: %d, name: target}\n", rule+1)
		}
	}
	group(singleGroup, singles)
	for i := range len(many.boards) / targetsOfAGroup {
		group(manyGroup+leaderboard.TargetGroupID(i), targetsOfAGroup)
	}
	return yaml.String()
}

// Keys of the boards that the ceilings write.
const (
	nativeBoardsKey = "ceiling:boards"
	nativeRulesKey  = "ceiling:rules"
)

func plainKey(b leaderboard.Board) string       { return "ceiling:plain:" + b.String() }
func nativeRankKey(b leaderboard.Board) string  { return "ceiling:rank:" + b.String() }
func nativeUsersKey(b leaderboard.Board) string { return "ceiling:users:" + b.String() }

// fill gives the boards of a set their entries, for the projector and for the
// ceilings, each in its own form. The projector's come from the log, so that it knows
// them as one does that has been running for a while.
func (a *arena) fill(s *boardSet) {
	a.b.Helper()
	if _, filled := a.filled[s]; filled {
		return
	}
	ctx := context.Background()
	before, beforeErr := dataBytes(ctx, a.redis)
	a.fillProjected(s)
	after, afterErr := dataBytes(ctx, a.redis)
	if err := errors.Join(beforeErr, afterErr); err != nil {
		a.b.Fatalf("fill the boards: %v", err)
	}
	a.filled[s] = after - before
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return a.fillCeiling(ctx, s, func(pipe redis.Pipeliner, b leaderboard.Board, entries []leaderboard.Entry) {
			scores := make([]redis.Z, len(entries))
			for i, e := range entries {
				scores[i] = redis.Z{Score: float64(e.Value), Member: strconv.FormatInt(int64(e.UserID), 10)}
			}
			pipe.ZAdd(ctx, plainKey(b), scores...)
		})
	})
	group.Go(func() error {
		return a.fillCeiling(ctx, s, func(pipe redis.Pipeliner, b leaderboard.Board, entries []leaderboard.Entry) {
			scores, times := make([]redis.Z, len(entries)), make([]any, 0, 2*len(entries))
			for i, e := range entries {
				member := leaderboard.Member(e.LastActivity, e.UserID)
				scores[i] = redis.Z{Score: float64(e.Value), Member: member[:]}
				times = append(times, leaderboard.UserField(e.UserID), leaderboard.MemberTime(e.LastActivity))
			}
			pipe.ZAdd(ctx, nativeRankKey(b), scores...)
			pipe.HSet(ctx, nativeUsersKey(b), times...)
			pipe.HSet(ctx, nativeBoardsKey, b.String(), int64(leaderboard.MillisOf(periodStart)))
			pipe.HSet(ctx, nativeRulesKey, b.String(), rule.String())
		})
	})
	if err := group.Wait(); err != nil {
		a.b.Fatalf("fill the boards: %v", err)
	}
}

// fillTogether is how many entries are published at once.
const fillTogether = 100_000

func (a *arena) fillProjected(s *boardSet) {
	a.b.Helper()
	var last marks
	events := make([]event, 0, fillTogether)
	publish := func() {
		last = a.publish(&stream{s, events}).over(last)
		events = events[:0]
	}
	for i := range s.boards {
		for e := range s.entries(i) {
			events = append(events, event{board: i, user: e.UserID, value: e.Value, time: e.LastActivity, partition: a.streams.partitionOf(e.UserID)})
			if len(events) == fillTogether {
				publish()
			}
		}
	}
	publish()
	a.awaitMarks(last)
	a.checkApplied()
}

const (
	// fillStep is how many entries are written by one command.
	fillStep = 500
	// fillPipeline is how many commands are sent together.
	fillPipeline = 20
)

func (a *arena) fillCeiling(ctx context.Context, s *boardSet, write func(redis.Pipeliner, leaderboard.Board, []leaderboard.Entry)) error {
	pipe := a.redis.Pipeline()
	for i, b := range s.boards {
		step := make([]leaderboard.Entry, 0, fillStep)
		for e := range s.entries(i) {
			step = append(step, e)
			if len(step) < fillStep && len(step) < s.users {
				continue
			}
			write(pipe, b, step)
			step = step[:0]
			if pipe.Len() < fillPipeline {
				continue
			}
			if _, err := pipe.Exec(ctx); err != nil {
				return err
			}
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}
