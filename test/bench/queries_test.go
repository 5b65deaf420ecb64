package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/test/programs"
)

// Contenders of the measurements of queries.
const (
	queried = "query"
	bare    = "bare handler"
)

// connections is how many clients ask at once.
const connections = 64

// The client that asks.
const benchID, benchSecret = "bench", "a secret of the bench"

// services are what answers over HTTP from an arena's Redis.
type services struct {
	query, bare *api
	// loopTopic is what the bare service's loop consumes.
	loopTopic string
}

// services gives those of the arena that measurements share.
func (l *lab) services() *services {
	if l.answering != nil {
		return l.answering
	}
	a := l.arena()
	a.fill(million)
	a.fill(many)
	clients := filepath.Join(l.b.TempDir(), "clients.json")
	programs.Run(l.b, "clients", "add", "--file", clients, "--id", benchID, "--org", fmt.Sprint(org), "--secret", benchSecret)
	query := programs.Start(l.b, "query", "--redis-addrs", a.server.Addr(), "--clients-file", clients)
	topic := a.topics + "loop"
	a.createTopic(topic)
	l.answering = &services{newAPI(l.b, query.API(), benchID, benchSecret), newAPI(l.b, a.startBare(topic), benchID, benchSecret), topic}
	l.fillProfiles()
	return l.answering
}

// question is asked of the query service and, in other words, of the bare handler.
type question struct {
	name        string
	query, bare func(*rand.Rand) request
}

var questions = []question{
	page("top10", 0, 10),
	page("top100", 0, 100),
	page("depth", 500_000, 10),
	{
		"rank",
		func(random *rand.Rand) request { return rankRequest(anyUser(random), million.boards) },
		func(random *rand.Rand) request {
			return request{path: fmt.Sprintf("/rank?boards=1&user=%d", anyUser(random))}
		},
	},
	{
		"ranks25",
		func(random *rand.Rand) request {
			user := anyUser(random)
			return rankRequest(user, boardsOf(user))
		},
		func(random *rand.Rand) request {
			return request{path: fmt.Sprintf("/rank?boards=25&user=%d", anyUser(random))}
		},
	},
}

// anyUser is one of those that have a profile and stand on 25 boards.
func anyUser(random *rand.Rand) leaderboard.UserID {
	return firstUser + leaderboard.UserID(random.IntN(manyUsers))
}

// page asks for size entries of the board of a million users, behind first others.
func page(name string, first, size int) question {
	board := million.boards[0]
	path := fmt.Sprintf("/v3.1/leaderboards/targetGroups/%d?targetId=%d&periodId=%d&pageSize=%d&pageOffset=%d", board.Group, board.Rule, board.Period, size, first/size)
	barePath := fmt.Sprintf("/top?first=%d&last=%d", first, first+size-1)
	return question{
		name,
		func(*rand.Rand) request { return request{path: path} },
		func(*rand.Rand) request { return request{path: barePath} },
	}
}

// rankRequest asks for a user's ranks. What it costs to make counts, as it is done on
// the same cores.
func rankRequest(user leaderboard.UserID, boards []leaderboard.Board) request {
	body := make([]byte, 0, 64*len(boards))
	for i, b := range boards {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		body = strconv.AppendInt(append(append(body, separator), `{"targetGroupId":`...), int64(b.Group), 10)
		body = strconv.AppendInt(append(body, `,"targetRuleId":`...), int64(b.Rule), 10)
		body = strconv.AppendInt(append(body, `,"periodId":`...), int64(b.Period), 10)
		body = append(body, '}')
	}
	return request{path: "/v3.1/leaderboards/user/" + strconv.FormatInt(int64(user), 10), body: string(append(body, ']'))}
}

// queries measures answers over HTTP, while nothing else happens and while the
// projector applies half of what it can.
func (l *lab) queries(b *testing.B) {
	b.Run("idle", func(b *testing.B) { l.ask(b, false) })
	b.Run("credentials", l.credentials)
	b.Run("loaded", func(b *testing.B) {
		rate := l.maximumRate() / 2
		l.services()
		ctx, cancel := context.WithCancel(context.Background())
		flow := l.arena().flow(ctx, l.arena().activities(), rate)
		l.ask(b, true)
		cancel()
		l.arena().awaitMarks(<-flow)
		l.arena().checkApplied()
	})
}

// ask measures every question. Drawn are those that are asked most.
func (l *lab) ask(b *testing.B, loaded bool) {
	for _, q := range questions {
		b.Run(q.name, func(b *testing.B) {
			r := l.askOne(b, q)
			if !loaded {
				return
			}
			measured.note(b, r, activitiesPerSecond, queried, goal{})
			measured.note(b, r, activitiesPerSecond, bare, goal{})
			if q.name != "top10" && q.name != "rank" {
				return
			}
			for _, c := range r.contenders {
				measured.drawLatency(queriesPicture, c.name+", "+q.name, r.samples[c.name])
			}
		})
	}
}

func (l *lab) askOne(b *testing.B, q question) *race {
	s := l.services()
	s.check(b, q)
	hammer := func(service *api, next func(*rand.Rand) request) func() readings {
		return func() readings {
			before, start := l.arena().applied(), time.Now()
			answered := service.hammer(b, connections, l.form.queries, next)
			answered[activitiesPerSecond] = rate(l.arena().applied()-before, start)
			return answered
		}
	}
	r := &race{rounds: l.form.rounds, contenders: []contender{
		{queried, hammer(s.query, q.query)},
		{bare, hammer(s.bare, q.bare)},
	}}
	r.run()
	measured.compare(b, r, requestsPerSecond, queried, bare, atLeast(0.9))
	measured.compare(b, r, p50, queried, bare, goal{})
	measured.compare(b, r, p99, queried, bare, atMost(1.2))
	return r
}

// check requires that both services tell as many users or boards.
func (s *services) check(b *testing.B, q question) {
	b.Helper()
	random := func() *rand.Rand { return rand.New(rand.NewPCG(7, 8)) }
	var answer struct {
		Data struct{ Rankings, UserRanks []json.RawMessage }
	}
	var bareAnswer struct{ Rankings, Ranks []json.RawMessage }
	answers := []struct {
		api     *api
		request request
		into    any
	}{{s.query, q.query(random()), &answer}, {s.bare, q.bare(random()), &bareAnswer}}
	for _, a := range answers {
		body, err := a.api.exchange().ask(a.request)
		if err == nil {
			err = json.Unmarshal(body, a.into)
		}
		if err != nil {
			b.Fatalf("ask for %s: %v", q.name, err)
		}
	}
	got, want := len(answer.Data.Rankings)+len(answer.Data.UserRanks), len(bareAnswer.Rankings)+len(bareAnswer.Ranks)
	if got == 0 || got != want {
		b.Fatalf("%s: the query service tells of %d, the bare handler of %d", q.name, got, want)
	}
}

// fillProfiles gives a profile to those whose ranks are asked for, and to those who
// stand on the pages or may come there.
func (l *lab) fillProfiles() {
	ctx, a := context.Background(), l.arena()
	profiles := map[leaderboard.UserID]any{}
	add := func(user leaderboard.UserID) {
		profiles[user] = fmt.Sprintf(`{"orgId":%d,"userId":%d,"attributes":{"first_name":"First","last_name":"Last","mobile":"91%d","email":"user%d@example.com","gender":"Female","birthday":"1990-01-31","anniversary":"2015-06-30"}}`, org, user, user, user)
	}
	for i := range manyUsers {
		add(firstUser + leaderboard.UserID(i))
	}
	for _, first := range []int64{0, 495_000} {
		members, err := a.redis.ZRangeArgs(ctx, redis.ZRangeArgs{Key: nativeRankKey(million.boards[0]), Start: first, Stop: first + 10_000, Rev: true}).Result()
		if err != nil {
			l.b.Fatal(err)
		}
		for _, m := range members {
			_, user, err := leaderboard.ParseMember(m)
			if err != nil {
				l.b.Fatal(err)
			}
			add(user)
		}
	}
	pipe := a.redis.Pipeline()
	for user, profile := range profiles {
		pipe.HSet(ctx, leaderboard.ProfilesKey(org), leaderboard.MemberUser(user), profile)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		l.b.Fatalf("fill the profiles: %v", err)
	}
}
