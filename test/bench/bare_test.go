package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/test/child"
	"leaderboard/test/programs"
)

// The bare service is the ceiling of the queries and of freshness. It runs in a
// process of its own as the real programs do: the test binary with these in its
// environment.
const (
	bareRedis  = "BARE_REDIS"
	bareBroker = "BARE_BROKER"
	bareTopic  = "BARE_TOPIC"
	bareShards = "BARE_SHARDS"
)

func isBare() bool { return os.Getenv(bareRedis) != "" }

// startBare starts the bare service and tells where it listens. A topic is what its
// loop consumes.
func (a *arena) startBare(topic string) (addr string) {
	a.b.Helper()
	path, err := os.Executable()
	if err != nil {
		a.b.Fatal(err)
	}
	dir := a.b.TempDir()
	process := &child.Process{
		Path: path, Dir: dir, Log: filepath.Join(dir, "bare.log"),
		Env: []string{bareRedis + "=" + a.server.Addr(), bareBroker + "=" + a.brokers[0], bareTopic + "=" + topic, bareShards + "=" + strconv.Itoa(a.layout.Shards)},
	}
	if err := process.Start(); err != nil {
		a.b.Fatal(err)
	}
	a.b.Cleanup(func() { endBare(a.b, process) })
	programs.Await(a.b, "the bare service to listen", func() error {
		if addr = process.Tail(); addr == "" {
			return errors.New("it has not said where")
		}
		return nil
	})
	return addr
}

func endBare(b *testing.B, process *child.Process) {
	if !process.Running() {
		b.Errorf("the bare service has ended:\n%s", process.Tail())
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := process.Signal(ctx, syscall.SIGKILL); err != nil {
		b.Errorf("end the bare service: %v", err)
	}
}

// runBare is the process of the bare service. It returns only when that fails.
func runBare() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	shards, err := strconv.Atoi(os.Getenv(bareShards))
	if err != nil {
		return err
	}
	s := &bareService{redis: redis.NewClient(&redis.Options{Addr: os.Getenv(bareRedis)}), layout: leaderboard.Layout{Generation: 1, Shards: shards}}
	failed := make(chan error)
	go func() { failed <- http.Serve(listener, s.handler()) }()
	go func() { failed <- s.consume(context.Background(), os.Getenv(bareBroker), os.Getenv(bareTopic)) }()
	return <-failed
}

// bareService sends the commands of the query service and writes the least of an
// answer, by hand. It reads the boards of the native ceiling, so that it stays the
// same however the projector keeps its own.
type bareService struct {
	redis *redis.Client
	// layout says which boards the query service asks for together.
	layout leaderboard.Layout
}

func (s *bareService) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/top", s.answer(s.top))
	mux.HandleFunc("/rank", s.answer(s.rank))
	mux.HandleFunc("/value", s.answer(s.value))
	return mux
}

func (s *bareService) answer(write func(r *http.Request) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := write(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
}

// onePage reads the entries between two places, the profiles of their users, the size of
// the board, its lastSyncTime and its rule in one step.
var onePage = redis.NewScript(`
local entries, users = redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES'), {}
for i = 1, #entries, 2 do users[#users + 1] = string.sub(entries[i], 7) end
return {
  entries, redis.call('HMGET', KEYS[4], unpack(users)), redis.call('ZCARD', KEYS[1]),
  redis.call('HGET', KEYS[2], ARGV[3]), redis.call('HGET', KEYS[3], ARGV[3]),
}`)

// top answers with the entries from first to last of the board of a million users.
func (s *bareService) top(r *http.Request) ([]byte, error) {
	board, text := million.boards[0], r.FormValue("first")
	keys := []string{nativeRankKey(board), nativeBoardsKey, nativeRulesKey, leaderboard.ProfilesKey(org)}
	first, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, err
	}
	told, err := onePage.RunRO(r.Context(), s.redis, keys, text, r.FormValue("last"), board.String()).Slice()
	if err != nil {
		return nil, err
	}
	entries, profiles := told[0].([]any), told[1].([]any)
	b := append(make([]byte, 0, 256+512*len(profiles)), `{"total":`...)
	b = strconv.AppendInt(b, told[2].(int64), 10)
	b = append(append(b, `,"synced":`...), told[3].(string)...)
	b = append(b, `,"rankings":[`...)
	for i, profile := range profiles {
		at, user, memberErr := leaderboard.ParseMember(entries[2*i].(string))
		score, scoreErr := strconv.ParseFloat(entries[2*i+1].(string), 64)
		if err := errors.Join(memberErr, scoreErr); err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"rank":`...), first+int64(i)+1, 10)
		b = strconv.AppendInt(append(b, `,"user":`...), int64(user), 10)
		b, _ = leaderboard.ValueOfScore(score, leaderboard.Descending).AppendText(append(b, `,"value":`...))
		b = strconv.AppendInt(append(b, `,"time":`...), int64(at), 10)
		b = appendProfile(b, profile)
		b = append(b, '}')
	}
	return append(b, "]}"...), nil
}

// appendProfile takes the profile over as it is.
func appendProfile(b []byte, profile any) []byte {
	if text, known := profile.(string); known && text != "" {
		b = append(append(b, `,"profile":`...), text...)
	}
	return b
}

// standings finds a user's times, values and places on boards of one shard in one
// step, as the members are in no other.
var standings = redis.NewScript(`
local synced = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
local rules = redis.call('HMGET', KEYS[2], unpack(ARGV, 3))
local standings = {}
for i = 1, #ARGV - 2 do
  local rank, users = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local time = redis.call('HGET', users, ARGV[1])
  if not time then return {} end
  local member = time .. ARGV[2]
  standings[i] = {redis.call('ZREVRANK', rank, member), redis.call('ZSCORE', rank, member), time, redis.call('ZCARD', rank), synced[i], rules[i]}
end
return standings`)

// rank answers with a user's place on one board or on 25.
func (s *bareService) rank(r *http.Request) ([]byte, error) {
	ctx, text := r.Context(), r.FormValue("user")
	user, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, err
	}
	boards := million.boards
	if r.FormValue("boards") != "1" {
		boards = boardsOf(leaderboard.UserID(user))
	}
	found, profile, err := s.standings(ctx, boards, leaderboard.UserID(user))
	if err != nil {
		return nil, err
	}
	b := append(append(make([]byte, 0, 512+256*len(boards)), `{"user":`...), text...)
	b = appendProfile(b, profile)
	b = append(b, `,"ranks":[`...)
	for i, fields := range found {
		score, scoreErr := strconv.ParseFloat(fields[1].(string), 64)
		at, timeErr := leaderboard.ParseMemberTime(fields[2].(string))
		if err := errors.Join(scoreErr, timeErr); err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"rank":`...), fields[0].(int64)+1, 10)
		b, _ = leaderboard.ValueOfScore(score, leaderboard.Descending).AppendText(append(b, `,"value":`...))
		b = strconv.AppendInt(append(b, `,"time":`...), int64(at), 10)
		b = strconv.AppendInt(append(b, `,"total":`...), fields[3].(int64), 10)
		b = append(append(append(b, `,"synced":`...), fields[4].(string)...), '}')
	}
	return append(b, "]}"...), nil
}

// standings asks for all boards in one pipeline with a call for each shard, after
// loading the script where Redis does not have it. They come in no order.
func (s *bareService) standings(ctx context.Context, boards []leaderboard.Board, user leaderboard.UserID) (found [][]any, profile string, err error) {
	send := func() ([]*redis.Cmd, *redis.StringCmd, error) {
		pipe := s.redis.Pipeline()
		calls := s.callStandings(ctx, pipe, boards, user)
		profile := pipe.HGet(ctx, leaderboard.ProfilesKey(org), leaderboard.MemberUser(user))
		_, err := pipe.Exec(ctx)
		return calls, profile, err
	}
	calls, read, err := send()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := standings.Load(ctx, s.redis).Err(); err != nil {
			return nil, "", err
		}
		calls, read, err = send()
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, "", err
	}
	for _, call := range calls {
		of, err := call.Slice()
		if err != nil {
			return nil, "", err
		}
		for _, fields := range of {
			found = append(found, fields.([]any))
		}
	}
	if len(found) != len(boards) {
		return nil, "", fmt.Errorf("user %d is on %d of the boards, not on %d", user, len(found), len(boards))
	}
	return found, read.Val(), nil
}

func (s *bareService) callStandings(ctx context.Context, pipe redis.Pipeliner, boards []leaderboard.Board, user leaderboard.UserID) []*redis.Cmd {
	member := leaderboard.Member(0, user)
	keys, args := map[int][]string{}, map[int][]any{}
	for _, b := range boards {
		shard := s.layout.Shard(b)
		if keys[shard] == nil {
			keys[shard] = []string{nativeBoardsKey, nativeRulesKey}
			args[shard] = []any{leaderboard.UserField(user), member[leaderboard.MemberTimeSize:]}
		}
		keys[shard] = append(keys[shard], nativeRankKey(b), nativeUsersKey(b))
		args[shard] = append(args[shard], b.String())
	}
	var calls []*redis.Cmd
	for shard := range keys {
		calls = append(calls, standings.EvalShaRO(ctx, pipe, keys[shard], args[shard]...))
	}
	return calls
}

// value answers with a user's value on the board that the bare loop writes.
func (s *bareService) value(r *http.Request) ([]byte, error) {
	score, err := s.redis.ZScore(r.Context(), plainKey(million.boards[0]), r.FormValue("user")).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	b, err := leaderboard.Value(score).AppendText([]byte(`{"userRanks":[{"achievedValue":`))
	return append(b, "}]}"...), err
}
