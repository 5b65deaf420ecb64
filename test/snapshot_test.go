package test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestSnapshotWhileTheStreamFlows makes a snapshot in the middle of the stream and
// deletes all of the log that it holds. A generation on another Redis, and one beside
// the first, go on from it to boards that lack nothing.
func TestSnapshotWhileTheStreamFlows(t *testing.T) {
	for _, d := range datasets(t) {
		t.Run(d.name, func(t *testing.T) {
			s := startServices(t, d)
			url := snapshotURL(t)
			publish := programs.Command(t, "publish", append(s.kafkaFlags(), "-f", d.activities, "--rate", strconv.Itoa(d.records/6))...)
			s.projector.AwaitRecords(d.records / 3)
			said := s.create(url)
			if err := publish.Wait(); err != nil {
				t.Fatalf("publish: %v\n%s", err, publish.Stderr)
			}
			s.awaitHandled(d.records)
			s.projector.Stop()
			applied := 0
			for partition, next := range offsetsIn(said) {
				s.deleteRecords(int32(partition), int64(next))
				applied += next
			}
			if applied == 0 || applied == d.records {
				t.Fatalf("the snapshot holds %d records of %d: it was not made in the middle\n%s", applied, d.records, said)
			}

			elsewhere := s.elsewhere(t)
			if said := elsewhere.restore(url, 1); !strings.Contains(said, "readers use generation 1;") {
				t.Errorf("restore on an empty Redis says\n%s", said)
			}
			elsewhere.launch(d)
			elsewhere.query.AwaitReady()
			elsewhere.api = newAPI(t, elsewhere.query.API(), "tester", "a secret")
			elsewhere.awaitCaughtUp(1)
			elsewhere.api.checkBoards(d)
			for _, kind := range []string{"rank:*", "users:*", "boards", "rules"} {
				if got, want := elsewhere.contents("lb:{1.*:"+kind), s.contents("lb:{1.*:"+kind); !reflect.DeepEqual(got, want) {
					t.Errorf("the keys %s differ from those that were made from all of the log", kind)
				}
			}

			if said := s.restore(url, 2); !strings.Contains(said, "generations promote 2 lets readers use it") {
				t.Errorf("restore beside another generation says\n%s", said)
			}
			second := s.launchGeneration(2)
			s.operate("generations promote 2 --wait 1m")
			s.api.checkBoards(d)
			second.Stop()
			elsewhere.projector.Stop()
		})
	}
}

// TestSnapshotHoldsAll restores shards that know events, rules and what was passed
// over: every key comes out as it was, and an event of before counts no more.
func TestSnapshotHoldsAll(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, strings.Replace(deadLetterCatalog, "name: Hidden,", `name: Hidden, targets: [{targetRuleId: 7, name: seven}],
     periods: [{periodId: 1, refCode: p, start: "2022-11-01T00:00:00Z", end: "2022-12-01T00:00:00Z"}],`, 1))
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	writer := cluster.Writer(s.topics + "activities")
	defer writer.Close()
	publish := func(records ...string) {
		t.Helper()
		for _, record := range records {
			if err := writer.WriteMessages(t.Context(), kafka.Message{Key: []byte("1:5"), Value: []byte(record)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	event := activityWith(`"userId":5`, `"eventId":"e1","userId":5`)
	hidden := activityWith(`:10`, `:12`)
	publish(event, strings.Replace(event, "e1", "e2", 1), hidden, activityWith(`"userId":5`, `"userId":6`))
	s.projector.AwaitRecords(4)
	s.projector.Stop()
	url := snapshotURL(t)
	s.create(url)
	elsewhere := s.elsewhere(t)
	elsewhere.restore(url, 1)
	beside := s.restore(url, 2)
	want := s.contents("lb:{1.*")
	for _, kind := range []string{"rank", "users", "boards", "rules", "passed", "fence", "seen"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(key string) bool { return strings.Contains(key, "}:"+kind) }) {
			t.Fatalf("there is no key of kind %s", kind)
		}
	}
	if got := elsewhere.contents("lb:{1.*"); !reflect.DeepEqual(got, want) {
		t.Errorf("on the other Redis is\n%v, want\n%v", got, want)
	}
	if got := elsewhere.contents("lb:meta"); !reflect.DeepEqual(got, map[string]any{"lb:meta": map[string]string{
		"read": "1", "shards:1": "16", "dedupe:1": "86400000", "begun:1:0": "1", "begun:1:1": "1", "begun:1:2": "1", "begun:1:3": "1",
	}}) {
		t.Errorf("lb:meta of the other Redis is %v", got)
	}
	got := map[string]any{}
	for key, value := range s.contents("lb:{2.*") {
		got[strings.Replace(key, "{2.", "{1.", 1)] = value
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the second generation is\n%v, want\n%v\n%s", got, want, beside)
	}

	elsewhere.startProjector()
	publish(event, strings.Replace(event, "e1", "e3", 1))
	elsewhere.projector.AwaitRecords(2)
	if repeats := elsewhere.projector.Metric("leaderboard_records_total", "outcome", "duplicate"); repeats != 1 {
		t.Errorf("%v duplicates were counted, want 1", repeats)
	}
}

// TestSnapshotRefused restores what must not be restored, and creates where nothing
// may be created: nothing is written.
func TestSnapshotRefused(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	early := snapshotURL(t)
	s.create(early)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)
	s.projector.Stop()
	url := snapshotURL(t)
	s.create(url)
	elsewhere := s.elsewhere(t)
	refuses := func(s *services, url string, generation int, words ...string) {
		t.Helper()
		before := s.contents("*")
		s.expectRefusal(s.restoreCommand(url, generation), words...)
		if after := s.contents("*"); !reflect.DeepEqual(before, after) {
			t.Errorf("something was written all the same")
		}
	}

	file := []byte(readFile(t, pathOf(url)))
	const damages = 16
	for i := range damages {
		at := i * len(file) / damages
		damaged := snapshotURL(t)
		writeFile(t, pathOf(damaged), string(file[:at]))
		refuses(elsewhere, damaged, 1, "truncated")
		flipped := bytes.Clone(file)
		flipped[max(at, 8)] ^= 1 << (i % 8)
		writeFile(t, pathOf(damaged), string(flipped))
		refuses(elsewhere, damaged, 1, "truncated or altered")
	}
	foreign := snapshotURL(t)
	writeFile(t, pathOf(foreign), readFile(t, d.catalog))
	refuses(elsewhere, foreign, 1, "no snapshot of a leaderboard")
	refuses(elsewhere, snapshotURL(t), 1, "no such file")
	refuses(s, url, 1, "generation 1 is not empty", "generations drop 1")
	s.restore(url, 2)
	s.operate("generations drop 2")
	refuses(s, url, 2, "generation 2 was dropped")
	s.deleteRecords(2, 100)
	refuses(elsewhere, early, 1, "partition 2 of the log begins at offset 100, and the snapshot ends at 0", "--force")

	s.expectRefusal(s.createCommand(url), "already")
	if after := readFile(t, pathOf(url)); after != string(file) {
		t.Error("a snapshot was overwritten")
	}
	if err := s.store().HDel(t.Context(), "lb:{1.3}:fence", "2").Err(); err != nil {
		t.Fatal(err)
	}
	none := snapshotURL(t)
	s.expectRefusal(s.createCommand(none), "shard 3 has lost its fence of partition 2", "generations list")
	users := slices.Sorted(maps.Keys(s.contents("lb:{1.*users:7002:901:3:2")))[0]
	if err := s.store().HSet(t.Context(), users, "\x11", "nonsense").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.store().HSet(t.Context(), "lb:{1.3}:fence", "2", "1").Err(); err != nil {
		t.Fatal(err)
	}
	s.expectRefusal(s.createCommand(none), "board 7002:901:3:2 is damaged", "verify --repair --board 7002:901:3:2")
	if info, err := os.Stat(pathOf(url)); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode of the file is %v (%v)", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(pathOf(none))); err != nil || len(left) > 0 {
		t.Errorf("there are %v (%v)", left, err)
	}

	elsewhere.restore(early, 1, "--force")
	elsewhere.startProjector()
	if shown := elsewhere.operate("generations list"); !strings.Contains(shown, "offsets 0 to 99 of partition 2 were deleted") {
		t.Errorf("the list does not show the hole:\n%s", shown)
	}
}

// TestSnapshotCutOff ends `snapshot create` in the middle, in a directory and in a
// bucket: there is nothing to restore. In the bucket it then comes to its end.
func TestSnapshotCutOff(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)
	s.projector.Stop()
	bucket := s3mem.New()
	if err := bucket.CreateBucket("boards"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(bucket).Server())
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	remote := "s3://boards/daily/1.lbsnap?region=any&use_path_style=true&endpoint=" + server.URL
	file := snapshotURL(t)
	store := s.store()

	for _, c := range []struct {
		url    string
		signal syscall.Signal
	}{{remote, syscall.SIGTERM}, {file, syscall.SIGTERM}, {remote, syscall.SIGKILL}, {file, syscall.SIGKILL}} {
		release := s.holdShard(9)
		before := holdTries(t, store)
		create := s.createCommand(c.url)
		programs.Await(t, "the snapshot to come to shard 9", func() error {
			if n := holdTries(t, store) - before; n < 40 {
				return fmt.Errorf("it has tried to hold shards %d times", n)
			}
			return nil
		})
		endWith(t, create, c.signal)
		release()
		s.expectRefusal(s.restoreCommand(c.url, 2), "no such file")
		left, err := filepath.Glob(filepath.Dir(pathOf(file)) + "/*")
		if err != nil || (c.signal == syscall.SIGTERM && len(left) > 0) {
			t.Errorf("%v leaves %v behind (%v)", c.signal, left, err)
		}
		for _, path := range left {
			s.expectRefusal(s.restoreCommand("file://"+path, 2), "truncated")
		}
	}

	s.create(remote)
	s.restore(remote, 2)
	second := s.launchGeneration(2)
	s.operate("generations promote 2 --wait 1m")
	s.api.checkBoards(d)
	second.Stop()
}

// elsewhere are the same topics with another, empty Redis.
func (s *services) elsewhere(t *testing.T) *services {
	t.Helper()
	return &services{t: t, brokers: s.brokers, topics: s.topics, redis: servers.RedisServer(t).Addr()}
}

func snapshotURL(t *testing.T) string { return "file://" + t.TempDir() + "/boards.lbsnap" }

func pathOf(url string) string { return strings.TrimPrefix(url, "file://") }

func (s *services) createCommand(url string) *exec.Cmd {
	s.t.Helper()
	return programs.Command(s.t, "snapshot", "create", "--to", url, "--redis-addrs", s.redis)
}

func (s *services) restoreCommand(url string, generation int, flags ...string) *exec.Cmd {
	s.t.Helper()
	return programs.Command(s.t, "snapshot", slices.Concat([]string{"restore", "--from", url, "--generation", strconv.Itoa(generation), "--redis-addrs", s.redis}, s.kafkaFlags(), flags)...)
}

func (s *services) create(url string) string {
	s.t.Helper()
	return s.said(s.createCommand(url))
}

func (s *services) restore(url string, generation int, flags ...string) string {
	s.t.Helper()
	return s.said(s.restoreCommand(url, generation, flags...))
}

// said waits for the good end of a command.
func (s *services) said(cmd *exec.Cmd) string {
	s.t.Helper()
	if err := cmd.Wait(); err != nil {
		s.t.Fatalf("%v: %v\n%s", cmd.Args, err, cmd.Stderr)
	}
	return cmd.Stdout.(*bytes.Buffer).String()
}

// expectRefusal waits for a command, which has to fail with those words.
func (s *services) expectRefusal(cmd *exec.Cmd, words ...string) {
	s.t.Helper()
	err := cmd.Wait()
	for _, word := range words {
		if said := cmd.Stderr.(*bytes.Buffer).String(); err == nil || !strings.Contains(said, word) {
			s.t.Errorf("%v: %v, and %q is not in\n%s", cmd.Args, err, word, said)
		}
	}
}

// offsetsIn are the offsets by partition that a command has named.
func offsetsIn(said string) map[int]int {
	offsets := map[int]int{}
	for _, match := range regexp.MustCompile(`partition (\d+): it goes on at offset (\d+)`).FindAllStringSubmatch(said, -1) {
		partition, _ := strconv.Atoi(match[1])
		offsets[partition], _ = strconv.Atoi(match[2])
	}
	return offsets
}

func (s *services) awaitCaughtUp(generation int) {
	s.t.Helper()
	programs.Await(s.t, "the generation to be caught up", func() error {
		if g := s.generation(generation); g.Shards == 0 || g.Behind > 0 || len(g.Incomplete) > 0 {
			return fmt.Errorf("it is %+v", g)
		}
		return nil
	})
}

// contents are the keys of a pattern with what they hold.
func (s *services) contents(pattern string) map[string]any {
	s.t.Helper()
	store := s.store()
	ctx := context.Background()
	keys, err := store.Keys(ctx, pattern).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	contents := map[string]any{}
	for _, key := range keys {
		if strings.HasSuffix(key, ":version") || strings.HasSuffix(key, ":journal") {
			continue // a name for what the shard holds, each time another, and how it came about
		}
		switch store.Type(ctx, key).Val() {
		case "hash":
			contents[key] = store.HGetAll(ctx, key).Val()
		case "zset":
			contents[key] = store.ZRevRangeWithScores(ctx, key, 0, -1).Val()
		default:
			contents[key] = store.Get(ctx, key).Val()
		}
	}
	return contents
}

// holdShard keeps everyone who wants to hold a shard of the first generation waiting.
func (s *services) holdShard(shard int) (release func()) {
	s.t.Helper()
	key := fmt.Sprintf("lb:{1.%d}:hold", shard)
	store := redis.NewClient(&redis.Options{Addr: s.redis})
	if err := store.Set(context.Background(), key, "", 0).Err(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := store.Del(context.Background(), key).Err(); err != nil {
			s.t.Error(err)
		}
		_ = store.Close()
	}
}

// holdTries counts how often somebody has tried to hold a shard.
func holdTries(t *testing.T, store *redis.Client) int {
	t.Helper()
	stats, err := store.InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var calls int
	_, _ = fmt.Sscanf(stats["Commandstats"]["cmdstat_set"], "calls=%d", &calls) // 0 before the first
	return calls
}

// endWith ends a command by a signal; it must not say that all went well.
func endWith(t *testing.T, cmd *exec.Cmd, signal syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("%v came to a good end after %v", cmd.Args, signal)
	}
}
