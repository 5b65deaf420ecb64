package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/test/programs"
)

// TestGenerations builds a second generation beside the one that is read, switches
// readers to it and frees the first, while users ask for their ranks on all boards
// at once. The first generation lacks the last part of the log, so that an answer
// tells which one it comes from: each comes from one alone, and none fails.
func TestGenerations(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	parts := splitLines(t, d.activities, 2)
	s.publishPart(parts[0])
	s.awaitHandled(d.records / 2)
	s.projector.Stop()
	s.publishPart(parts[1])
	s.refuses("generations promote 2 --wait 0s", "generation 2: ", "generations list")
	s.refuses("generations drop 1", "generation 1 is the one that is read", "promote")
	s.refuses("generations drop 7", "generation 7: ", "generations list")

	second := s.launchGeneration(2)
	second.AwaitReady()
	programs.Await(t, "generation 2 to be caught up", func() error {
		if g := s.generation(2); g.Behind > 0 || len(g.Incomplete) > 0 || g.Boards != len(d.boards) || g.Read {
			return fmt.Errorf("it is %+v", g)
		}
		return nil
	})
	if g := s.generation(1); !g.Read || g.Behind != d.records-d.records/2 || g.Boards != len(d.boards) {
		t.Errorf("generation 1 is %+v, want it %d records behind", g, d.records-d.records/2)
	}

	readers := s.startReaders(d)
	s.operate("generations promote 2")
	retired, err := s.store().HGet(t.Context(), "lb:meta", "retired:1").Int64()
	if err != nil {
		t.Fatal(err)
	}
	drop := programs.Command(t, "generations", "drop", "1", "--redis-addrs", s.redis)
	readers.awaitSwitch()
	s.refuses("generations promote 1 --wait 0s", "generation 1 is not promoted", fmt.Sprintf("%d records behind", d.records-d.records/2), "--force")
	s.projector = s.launchProjector() // of the first generation, while it is dropped
	if err := drop.Wait(); err != nil {
		t.Fatalf("drop: %v\n%s", err, drop.Stderr)
	}
	if now, err := s.store().Time(t.Context()).Result(); err != nil || now.UnixMilli() < retired+15_000 {
		t.Errorf("the drop was done at %d, less than 15 s after the promotion at %d: %v", now.UnixMilli(), retired, err)
	}
	readers.end()
	s.api.checkBoards(d)
	s.expectFreed(1)
	s.projector.AwaitEnd(1, "generation 1 was dropped", "--generation (GENERATION)")
	s.refuses("generations promote 1 --force", "generation 1: ")
	second.Stop()
}

// TestDroppedGenerationEndsItsProjectors drops a generation whose projector has
// nothing to do, and starts another one of it.
func TestDroppedGenerationEndsItsProjectors(t *testing.T) {
	s := startServices(t, madeUpPurchases(t))
	second := s.launchGeneration(2)
	second.AwaitReady()
	s.operate("generations drop 2")
	second.AwaitEnd(1, "generation 2 was dropped", "--generation (GENERATION)")
	again := s.launchGeneration(2)
	again.AwaitEnd(1, "generation 2 was dropped", "--generation (GENERATION)")
	if strings.Contains(again.Log(), "partitions assigned") {
		t.Error("a projector that is refused has joined the group")
	}
	s.expectFreed(2)
	s.projector.Stop()
}

// TestDropIsTakenUpAgain leaves something of a dropped generation behind, as a
// drop does that was cut off: it is shown, and freed by the next one.
func TestDropIsTakenUpAgain(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)
	other := s.launchGeneration(3)
	other.AwaitReady()
	for _, generation := range []int{3, 1, 3} {
		s.operate(fmt.Sprintf("generations promote %d --wait 1m", generation))
		s.awaitRead(generation)
	}
	s.projector.Stop()
	store := s.store()
	b := d.boards[0]
	board := leaderboard.Board{Org: 7002, Group: leaderboard.TargetGroupID(b.Group), Rule: leaderboard.TargetRuleID(b.Target), Period: leaderboard.PeriodID(b.Period)}
	layout := leaderboard.Layout{Generation: 1, Shards: s.generation(1).Shards}
	kept := dumpKeys(t, store, fmt.Sprintf("lb:{1.%d}:*", layout.Shard(board)))
	if kept[layout.RankKey(board)] == "" || kept[layout.UsersKey(board)] == "" {
		t.Fatalf("board %s is not in its shard", board)
	}
	s.operate("generations drop 1 --grace 0s")
	s.expectFreed(1)
	for key, dump := range kept {
		if err := store.Restore(t.Context(), key, 0, dump).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if shown := s.operate("generations list"); !strings.Contains(shown, "not all freed") {
		t.Errorf("the list does not show what is left:\n%s", shown)
	}
	s.operate("generations drop 1")
	s.expectFreed(1)
	if shown := s.operate("generations list"); strings.Count(shown, "\n") != 2 || !strings.Contains(shown, "complete") {
		t.Errorf("the list is\n%s", shown)
	}
	s.api.checkBoards(d)
	other.Stop()
}

// awaitRead waits until the query service answers from a generation.
func (s *services) awaitRead(generation int) {
	s.t.Helper()
	programs.Await(s.t, fmt.Sprintf("generation %d to be read", generation), func() error {
		if got := s.query.Metric("leaderboard_query_generation"); int(got) != generation {
			return fmt.Errorf("generation %v is", got)
		}
		return nil
	})
}

func (s *services) publishPart(path string) {
	s.t.Helper()
	programs.Run(s.t, "publish", append(s.kafkaFlags(), "-f", path)...)
}

// launchGeneration starts a projector of a generation that has five shards if it
// is new.
func (s *services) launchGeneration(n int) *programs.Program {
	s.t.Helper()
	return s.launchProjector("--generation", fmt.Sprint(n), "--shards", "5")
}

// run runs bin/leaderboard with a command and the flags of the servers.
func (s *services) run(command string) (stdout, stderr string, err error) {
	s.t.Helper()
	args := strings.Fields(command)
	flags := []string{"--redis-addrs", s.redis}
	if !strings.HasPrefix(command, "generations drop") {
		flags = append(flags, s.kafkaFlags()...)
	}
	if args[0] != "generations" {
		flags = flags[2:]
	}
	cmd := programs.Command(s.t, args[0], append(args[1:], flags...)...)
	err = cmd.Wait()
	return cmd.Stdout.(*bytes.Buffer).String(), cmd.Stderr.(*bytes.Buffer).String(), err
}

// operate runs a command, which has to succeed, and gives what it prints.
func (s *services) operate(command string) string {
	s.t.Helper()
	stdout, stderr, err := s.run(command)
	if err != nil {
		s.t.Fatalf("leaderboard %s: %v\n%s", command, err, stderr)
	}
	return stdout
}

// refuses runs a command, which has to fail with those words.
func (s *services) refuses(command string, words ...string) {
	s.t.Helper()
	_, stderr, err := s.run(command)
	if err == nil {
		s.t.Fatalf("leaderboard %s succeeded", command)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			s.t.Errorf("leaderboard %s: %q is not in\n%s", command, word, stderr)
		}
	}
}

// generation is what `generations list` says of one.
type generation struct {
	Generation, Shards, Boards, Behind int
	Read                               bool
	DedupeWindow                       string
	Incomplete                         []int
	Partitions                         []struct{ Partition, Next, End, Behind int }
}

func (s *services) generation(n int) generation {
	s.t.Helper()
	var list struct{ Generations []generation }
	if err := json.Unmarshal([]byte(s.operate("generations list --json")), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, g := range list.Generations {
		behind := 0
		for _, p := range g.Partitions {
			if p.Behind != p.End-p.Next {
				s.t.Errorf("partition %+v of generation %d does not add up", p, g.Generation)
			}
			behind += p.Behind
		}
		if behind != g.Behind || len(g.Partitions) != 4 {
			s.t.Errorf("the partitions of generation %d do not add up: %+v", g.Generation, g)
		}
		if g.Generation == n {
			return g
		}
	}
	return generation{}
}

func (s *services) store() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// dumpKeys gives the keys of a pattern with what they hold.
func dumpKeys(t *testing.T, store *redis.Client, pattern string) map[string]string {
	t.Helper()
	keys, err := store.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	dumps := map[string]string{}
	for _, key := range keys {
		if dumps[key], err = store.Dump(t.Context(), key).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return dumps
}

// expectFreed requires that nothing of a generation is left but the mark that it
// was dropped.
func (s *services) expectFreed(n int) {
	s.t.Helper()
	store := s.store()
	if left := dumpKeys(s.t, store, fmt.Sprintf("lb:{%d.*", n)); len(left) > 0 {
		s.t.Errorf("%d keys of generation %d are left", len(left), n)
	}
	fields, err := store.HKeys(s.t.Context(), "lb:meta").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, field := range fields {
		if parts := strings.Split(field, ":"); len(parts) > 1 && parts[1] == fmt.Sprint(n) && parts[0] != "dropped" {
			s.t.Errorf("lb:meta has the field %s still", field)
		}
	}
}

// readers ask for the ranks of users on all boards, over and over.
type readers struct {
	t        *testing.T
	before   map[int64]string
	after    []map[int64]string // by reader, by user: the other answer
	switched []atomic.Bool
	stop     context.CancelFunc
	done     sync.WaitGroup
}

const readerUsers = 6

func (s *services) startReaders(d dataset) *readers {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	r := &readers{t: s.t, before: map[int64]string{}, stop: stop, switched: make([]atomic.Bool, 4)}
	s.t.Cleanup(r.end)
	items := make([]string, len(d.boards))
	for i, b := range d.boards {
		items[i] = fmt.Sprintf(`{"targetGroupId":%d,"targetRuleId":%d,"periodId":%d}`, b.Group, b.Target, b.Period)
	}
	body := "[" + strings.Join(items, ",") + "]"
	for user := range int64(readerUsers) {
		answer, err := s.api.ranks(user+1, body)
		if err != nil {
			s.t.Fatal(err)
		}
		r.before[user+1] = answer
	}
	for range r.switched {
		r.after = append(r.after, map[int64]string{})
	}
	for i := range r.switched {
		r.done.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				user := n%readerUsers + 1
				answer, err := s.api.ranks(user, body)
				r.note(i, user, answer, err)
			}
		})
	}
	return r
}

// note takes an answer: there may be the one of before, and once there was
// another, only that.
func (r *readers) note(reader int, user int64, answer string, err error) {
	after, known := r.after[reader][user]
	switch {
	case err != nil:
		r.t.Errorf("user %d: %v", user, err)
	case answer == r.before[user] && r.switched[reader].Load():
		r.t.Errorf("user %d is told the old ranks again", user)
	case answer == r.before[user]:
	case known && answer != after:
		r.t.Errorf("user %d is told a third thing: %s", user, answer)
	default:
		r.after[reader][user] = answer
		r.switched[reader].Store(true)
	}
}

// awaitSwitch waits until every reader is told something new.
func (r *readers) awaitSwitch() {
	r.t.Helper()
	programs.Await(r.t, "the readers to switch", func() error {
		for i := range r.switched {
			if !r.switched[i].Load() {
				return fmt.Errorf("reader %d has not", i)
			}
		}
		return nil
	})
}

// end ends the readers; all were told the same.
func (r *readers) end() {
	r.stop()
	r.done.Wait()
	for reader, answers := range r.after {
		for user, answer := range answers {
			if other, known := r.after[0][user]; known && other != answer {
				r.t.Errorf("user %d: reader %d was told %s, reader 0 %s", user, reader, answer, other)
			}
		}
	}
}

// ranks asks for a user's ranks and gives the answer as it comes.
func (a *api) ranks(user int64, body string) (string, error) {
	var answer json.RawMessage
	err := a.ask(fmt.Sprintf("/v3.1/leaderboards/user/%d", user), body, &answer)
	return string(answer), err
}
