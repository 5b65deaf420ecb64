package test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/projector"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestRestoreCutOff kills `snapshot restore` between two shards, and takes the fence
// of the last one besides, as if it had died just before. A projector makes what is
// missing from the log. Another restore is under way while its projector starts.
func TestRestoreCutOff(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)
	s.projector.Stop()
	url := snapshotURL(t)
	s.create(url)
	for name, cutOff := range map[string]func(t *testing.T, s *services, restore *exec.Cmd){
		"killed": func(t *testing.T, s *services, restore *exec.Cmd) {
			endWith(t, restore, syscall.SIGKILL)
			if err := s.store().Del(t.Context(), "lb:{1.8}:fence").Err(); err != nil {
				t.Fatal(err)
			}
			s.expectRefusal(s.restoreCommand(url, 1), "generation 1 is not empty")
		},
		"beside a projector": func(t *testing.T, s *services, _ *exec.Cmd) {
			s.projector = s.launchProjector()
			programs.Await(t, "the projector to listen", func() error {
				if s.projector.Listening("admin") == "" {
					return fmt.Errorf("it does not")
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := s.elsewhere(t)
			release := elsewhere.holdShard(9)
			restore := elsewhere.restoreCommand(url, 1)
			store := elsewhere.store()
			programs.Await(t, "shard 8 to be restored", func() error {
				return store.HGet(t.Context(), "lb:{1.8}:fence", "0").Err()
			})
			cutOff(t, elsewhere, restore)
			release()
			_ = restore.Wait() // it may go either way, the boards may not
			if elsewhere.projector != nil {
				elsewhere.projector.Stop()
			}
			elsewhere.launch(d)
			elsewhere.projector.AwaitReady()
			elsewhere.awaitCaughtUp(1)
			elsewhere.query.AwaitReady()
			newAPI(t, elsewhere.query.API(), "tester", "a secret").checkBoards(d)
			elsewhere.projector.Stop()
		})
	}
}

// TestRestoreShardFailsAnywhere takes Redis away after every number of commands: a
// shard that is not all there has no fence, and a projector finds the events that it
// has to forget. What is there at last is what was given.
func TestRestoreShardFailsAnywhere(t *testing.T) {
	store := redis.NewClient(&redis.Options{Addr: servers.Redis(t)})
	defer store.Close()
	ctx := t.Context()
	layout := leaderboard.Layout{Generation: 4, Shards: 1}
	want := shardOfManyUsers()
	for commands := range 200 {
		if err := store.FlushDB(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		failing := redis.NewClient(&redis.Options{Addr: store.Options().Addr, MaxRetries: -1})
		failing.AddHook(&outage{left: commands})
		restoreErr := projector.RestoreShard(ctx, failing, layout, 0, want, func(int) {})
		if err := errors.Join(failing.Close(), store.Del(ctx, layout.HoldKey(0)).Err()); err != nil {
			t.Fatal(err)
		}
		got, err := projector.SnapshotShard(ctx, store, layout, 0, func(int) {})
		if err != nil {
			t.Fatalf("after %d commands: %v", commands, err)
		}
		if len(got.Fences) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("after %d commands the shard has a fence and is not whole", commands)
		}
		halves, err := store.Keys(ctx, "lb:{4.0}:seen:*").Result()
		if err != nil || (len(halves) > 0 && len(got.Seen) == 0) {
			t.Errorf("after %d commands %v are there and nothing leads to them (%v)", commands, halves, err)
		}
		if restoreErr != nil {
			continue
		}
		if commands < 10 || !reflect.DeepEqual(got, want) {
			t.Errorf("after %d commands it is restored, as\n%+v, want\n%+v", commands, got, want)
		}
		return
	}
	t.Error("the shard is never restored")
}

// TestRestoreTakesOverWhatIsSettled restores into a generation of which a projector
// has settled shards and window, and nothing else.
func TestRestoreTakesOverWhatIsSettled(t *testing.T) {
	store := redis.NewClient(&redis.Options{Addr: servers.Redis(t)})
	defer store.Close()
	hour := leaderboard.Millis(3_600_000)
	layout := leaderboard.Layout{Generation: 4, Shards: 2}
	for _, c := range []struct {
		settled map[string]string
		window  *leaderboard.Millis
		refusal string
	}{
		{nil, &hour, ""},
		{map[string]string{"shards:4": "2"}, &hour, ""},
		{map[string]string{"shards:4": "2", "dedupe:4": "3600000"}, &hour, ""},
		{map[string]string{"shards:4": "2", "dedupe:4": "0"}, nil, ""},
		{map[string]string{"shards:4": "3", "dedupe:4": "3600000"}, &hour, "3 shards and the snapshot 2"},
		{map[string]string{"shards:4": "2", "dedupe:4": "0"}, &hour, "0 ms of dedupe window and the snapshot 3600000"},
		{map[string]string{"shards:4": "2", "begun:4:0": "1"}, &hour, "not empty"},
		{map[string]string{"dropped:4": "2"}, &hour, "was dropped"},
	} {
		want := maps.Clone(c.settled)
		if err := store.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if c.settled != nil {
			if err := store.HSet(t.Context(), "lb:meta", c.settled).Err(); err != nil {
				t.Fatal(err)
			}
		}
		err := projector.BeginRestore(t.Context(), store, layout, projector.Notes{DedupeWindow: c.window})
		if c.refusal != "" && (err == nil || !strings.Contains(err.Error(), c.refusal)) || c.refusal == "" && err != nil {
			t.Errorf("with %v it says %v, want %q", c.settled, err, c.refusal)
		}
		if c.refusal == "" {
			want = map[string]string{"shards:4": "2", "dedupe:4": "3600000"}
			if c.window == nil {
				want["dedupe:4"] = "0"
			}
		}
		if got := store.HGetAll(t.Context(), "lb:meta").Val(); !maps.Equal(got, want) {
			t.Errorf("with %v lb:meta becomes %v, want %v", c.settled, got, want)
		}
	}
}

// shardOfManyUsers takes several steps to write.
func shardOfManyUsers() *projector.ShardSnapshot {
	board := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	s := &projector.ShardSnapshot{
		Fences:     map[int]int64{0: 7, 1: 1 << 40},
		PassedOver: map[leaderboard.Board]int64{board: 3},
		Boards:     make([]projector.BoardSnapshot, 2),
	}
	for i := range s.Boards {
		b := &s.Boards[i]
		b.Board, b.Synced = board, leaderboard.Millis(100+i)
		b.Board.Period += leaderboard.PeriodID(i)
		b.Rule = leaderboard.Rule{Aggregate: leaderboard.Latest, Order: []leaderboard.Order{leaderboard.Ascending, leaderboard.Descending}[i], End: 9}
		for user := range 1200 {
			b.Entries = append(b.Entries, leaderboard.Entry{UserID: leaderboard.UserID(user + 1), Value: leaderboard.Value(user%7 - 3), LastActivity: leaderboard.Millis(user % 5)})
		}
	}
	seen := projector.SeenEvents{Filling: 1, Since: 60, Halves: [2][]projector.SeenEvent{{}, {}}}
	for i := range 1200 {
		half := &seen.Halves[i%2]
		*half = append(*half, projector.SeenEvent{Digest: fmt.Appendf(nil, "%016d", i), Published: leaderboard.Millis(i)})
	}
	s.Seen = map[int]projector.SeenEvents{1: seen}
	return s
}

// outage lets so many commands, or pipelines of them, through and no more.
type outage struct{ left int }

var errOutage = errors.New("redis is away")

func (o *outage) DialHook(next redis.DialHook) redis.DialHook { return next }

func (o *outage) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		o.left--
		if o.left < 0 {
			cmd.SetErr(errOutage)
			return errOutage
		}
		return next(ctx, cmd)
	}
}

func (o *outage) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		o.left--
		if o.left < 0 {
			return errOutage
		}
		return next(ctx, cmds)
	}
}
