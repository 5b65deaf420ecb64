package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// slowRedis takes pipelines, and replies when it is let go: to each item with the
// command's name, its key and the item.
type slowRedis struct {
	passingHook
	pipelines pipelineLog
	goOn      chan struct{}
}

// pipelineLog is the commands of each pipeline that has begun.
type pipelineLog struct {
	mu  sync.Mutex
	all [][]string
}

func (l *pipelineLog) add(commands []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, commands)
}

func (r *slowRedis) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		var commands []string
		for _, cmd := range cmds {
			commands = append(commands, strings.ReplaceAll(strings.Trim(fmt.Sprint(cmd.Args()), "[]"), profilesPrefix, "org"))
		}
		r.pipelines.add(commands)
		<-r.goOn
		for _, cmd := range cmds {
			args := cmd.Args()
			key := args[1].(string)
			if key == leaderboard.ProfilesKey(brokenOrg) {
				cmd.SetErr(errBroken)
				continue
			}
			var replies []any
			for _, item := range args[2:] {
				replies = append(replies, fmt.Sprintf("%s/%v", strings.TrimPrefix(key, profilesPrefix), item))
			}
			cmd.(*redis.Cmd).SetVal(replies)
		}
		return nil
	}
}

const (
	profilesPrefix = "lb:{profiles}:"
	// brokenOrg is an organisation whose profiles cannot be read.
	brokenOrg leaderboard.OrgID = 3
)

var errBroken = errors.New("broken")

func newSlowRedis(t *testing.T) (*slowRedis, *lanes) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	r := &slowRedis{goOn: make(chan struct{})}
	client.AddHook(r)
	return r, newLanes(client, time.Minute)
}

// passingHook is the rest of a hook that looks at pipelines.
type passingHook struct{}

func (passingHook) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (passingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// asked is what came of the calls of a lanes' ask.
type asked struct {
	mu      sync.Mutex
	answers map[string]string
}

func (a *asked) ask(ctx context.Context, l *lanes, name string, reads ...*read) {
	go func() {
		answer := fmt.Sprint(l.ask(ctx, reads))
		if answer == "<nil>" {
			answer = ""
			for _, r := range reads {
				answer += fmt.Sprint(r.replies)
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.answers[name] = answer
	}()
	synctest.Wait()
}

func TestReadsShareThePipelineThatGoesAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := newSlowRedis(t)
		a := asked{answers: map[string]string{}}
		cancelled, cancel := context.WithCancel(t.Context())
		a.ask(t.Context(), l, "before", profilesRead(1, []any{0}))
		a.ask(t.Context(), l, "first", profilesRead(1, []any{1}))
		a.ask(t.Context(), l, "second", profilesRead(1, []any{2}))
		a.ask(t.Context(), l, "third", profilesRead(1, []any{3, 4}), profilesRead(2, []any{5}))
		a.ask(t.Context(), l, "fourth", profilesRead(brokenOrg, []any{6}))
		a.ask(cancelled, l, "fifth", profilesRead(1, []any{7}))
		a.ask(t.Context(), l, "sixth", profilesRead(2, []any{8}), profilesRead(1, []any{9}))
		cancel()
		synctest.Wait()
		if want := map[string]string{"fifth": "context canceled"}; !maps.Equal(a.answers, want) {
			t.Fatalf("answered before Redis was: %v", a.answers)
		}
		for range maxPipelines + 1 {
			r.goOn <- struct{}{}
			synctest.Wait()
		}
		pipelines := [][]string{{"hmget org1 0"}, {"hmget org1 1"}, {"hmget org1 2"}, {"hmget org1 3 4 9", "hmget org2 5 8", "hmget org3 6"}}
		if !reflect.DeepEqual(r.pipelines.all, pipelines) {
			t.Errorf("the pipelines were %q, want %q", r.pipelines.all, pipelines)
		}
		want := map[string]string{
			"before": "[1/0]", "first": "[1/1]", "second": "[1/2]", "third": "[1/3 1/4][2/5]", "fourth": "broken",
			"fifth": "context canceled", "sixth": "[2/8][1/9]",
		}
		if !maps.Equal(a.answers, want) {
			t.Errorf("answers %v, want %v", a.answers, want)
		}
	})
}

func TestCommandsAndPipelinesHaveAnEnd(t *testing.T) {
	const requests, items = 3 * maxPipelineSize / 20, 20
	synctest.Test(t, func(t *testing.T) {
		r, l := newSlowRedis(t)
		a := asked{answers: map[string]string{}}
		for i := range requests {
			a.ask(t.Context(), l, fmt.Sprint(i), profilesRead(1, slices.Repeat([]any{i}, items)))
		}
		for len(a.answers) < requests {
			r.goOn <- struct{}{}
			synctest.Wait()
		}
		for i := range requests {
			if got, want := a.answers[fmt.Sprint(i)], "["+strings.TrimSpace(strings.Repeat(fmt.Sprintf("1/%d ", i), items))+"]"; got != want {
				t.Errorf("request %d is answered %s", i, got)
			}
		}
		for _, commands := range r.pipelines.all {
			if len(commands) > maxPipelineSize/maxCommandSize {
				t.Errorf("a pipeline of %d commands", len(commands))
			}
			for _, c := range commands {
				if n := len(strings.Fields(c)) - 2; n > maxCommandSize {
					t.Errorf("a command of %d items", n)
				}
			}
		}
	})
}

func TestACommandNamesABoardOnce(t *testing.T) {
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	board := func(rule leaderboard.TargetRuleID) leaderboard.Board {
		return leaderboard.Board{Org: 1, Group: 2, Rule: rule, Period: 4}
	}
	ask := func(rule leaderboard.TargetRuleID, arg string) *read {
		return boardRead(standingsScript, layout, board(rule), 1, []any{arg, arg})
	}
	commands := gather([]*parcel{{reads: []*read{ask(8, "a"), ask(7, "b")}}, {reads: []*read{ask(8, "c"), profilesRead(1, []any{5})}}})
	var got []string
	for _, c := range commands {
		got = append(got, fmt.Sprint(c.args(false)...))
	}
	want := []string{
		fmt.Sprint(
			"evalsha_ro", standingsScript.hash, 6, "lb:{1.0}:boards", "lb:{1.0}:rules",
			"lb:{1.0}:rank:1:2:7:4", "lb:{1.0}:users:1:2:7:4", "lb:{1.0}:rank:1:2:8:4", "lb:{1.0}:users:1:2:8:4",
			"1:2:7:4", "1:2:8:4", 1, "b", "b", 2, "a", "a", "c", "c",
		),
		fmt.Sprint("hmget", "lb:{profiles}:1", 5),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the commands are %q, want %q", got, want)
	}
}
