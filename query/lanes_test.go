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
)

// slowRedis takes pipelines, and replies when it is let go: to each item with the
// command's name, its key and the item.
type slowRedis struct {
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
			commands = append(commands, strings.Trim(fmt.Sprint(cmd.Args()), "[]"))
		}
		r.pipelines.add(commands)
		<-r.goOn
		for _, cmd := range cmds {
			args := cmd.Args()
			if args[1] == "broken" {
				cmd.SetErr(errBroken)
				continue
			}
			var replies []any
			for _, item := range args[2:] {
				replies = append(replies, fmt.Sprint(args[1], item))
			}
			cmd.(*redis.Cmd).SetVal(replies)
		}
		return nil
	}
}

var errBroken = errors.New("broken")

func newSlowRedis(t *testing.T) (*slowRedis, *lanes) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	r := &slowRedis{goOn: make(chan struct{})}
	client.AddHook(r)
	return r, newLanes(client, time.Minute)
}

// DialHook and ProcessHook are not used: only pipelines are sent.
func (r *slowRedis) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (r *slowRedis) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func hashRead(key string, items ...any) *read {
	return &read{command: commandHead{key: key}, items: len(items), args: items}
}

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
		a.ask(t.Context(), l, "first", hashRead("a", 1))
		a.ask(t.Context(), l, "second", hashRead("a", 2))
		a.ask(t.Context(), l, "third", hashRead("a", 3, 4), hashRead("b", 5))
		a.ask(t.Context(), l, "fourth", hashRead("broken", 6))
		a.ask(cancelled, l, "fifth", hashRead("a", 7))
		a.ask(t.Context(), l, "sixth", hashRead("b", 8), hashRead("a", 9))
		cancel()
		synctest.Wait()
		if want := map[string]string{"fifth": "context canceled"}; !maps.Equal(a.answers, want) {
			t.Fatalf("answered before Redis was: %v", a.answers)
		}
		for range 3 {
			r.goOn <- struct{}{}
			synctest.Wait()
		}
		pipelines := [][]string{{"hmget a 1"}, {"hmget a 2"}, {"hmget a 3 4 9", "hmget b 5 8", "hmget broken 6"}}
		if !reflect.DeepEqual(r.pipelines.all, pipelines) {
			t.Errorf("the pipelines were %q, want %q", r.pipelines.all, pipelines)
		}
		want := map[string]string{
			"first": "[a1]", "second": "[a2]", "third": "[a3 a4][b5]", "fourth": "broken",
			"fifth": "context canceled", "sixth": "[b8][a9]",
		}
		if !maps.Equal(a.answers, want) {
			t.Errorf("answers %v, want %v", a.answers, want)
		}
	})
}

func TestCommandsAndPipelinesHaveAnEnd(t *testing.T) {
	const requests, items = 3 * maxPipelineItems / 20, 20
	synctest.Test(t, func(t *testing.T) {
		r, l := newSlowRedis(t)
		a := asked{answers: map[string]string{}}
		for i := range requests {
			a.ask(t.Context(), l, fmt.Sprint(i), hashRead("a", slices.Repeat([]any{i}, items)...))
		}
		for len(a.answers) < requests {
			r.goOn <- struct{}{}
			synctest.Wait()
		}
		for i := range requests {
			if got, want := a.answers[fmt.Sprint(i)], "["+strings.TrimSpace(strings.Repeat(fmt.Sprintf("a%d ", i), items))+"]"; got != want {
				t.Errorf("request %d is answered %s", i, got)
			}
		}
		for _, commands := range r.pipelines.all {
			if len(commands) > maxPipelineItems/maxCommandItems {
				t.Errorf("a pipeline of %d commands", len(commands))
			}
			for _, c := range commands {
				if n := len(strings.Fields(c)) - 2; n > maxCommandItems {
					t.Errorf("a command of %d items", n)
				}
			}
		}
	})
}
