package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leaderboard"
	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// TestVerifyFindsAndRepairs damages boards by hand in every way, while a projector
// runs: verify names the board and the user, and --repair mends it.
func TestVerifyFindsAndRepairs(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	programs.Run(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
	s.awaitHandled(d.records)
	entries := 0
	for _, b := range d.boards {
		entries += b.Total
	}
	agree := fmt.Sprintf("%d boards, %s entries and 20,000 records agree\n", len(d.boards), thousands(entries))
	if out := s.expectVerify(0); out != agree {
		t.Fatalf("verify says %q, want %q", out, agree)
	}

	client := redis.NewClient(&redis.Options{Addr: s.redis})
	defer client.Close()
	for _, damage := range damages(t, client, leaderboard.Layout{Generation: 1, Shards: 16}) {
		t.Run(damage.name, func(t *testing.T) {
			if err := damage.do(context.Background()); err != nil {
				t.Fatal(err)
			}
			out := s.expectVerify(1)
			for _, part := range damage.found {
				if !strings.Contains(out, part) {
					t.Errorf("%q is not in\n%s", part, out)
				}
			}
			if n := strings.Count(out, "differs\n"); n != 1 {
				t.Errorf("%d boards differ instead of 1:\n%s", n, out)
			}
			if out := s.expectVerify(0, "--repair"); !strings.Contains(out, "repaired: it holds what the log says") {
				t.Errorf("--repair says\n%s", out)
			}
		})
	}
	if out := s.expectVerify(0); out != agree {
		t.Errorf("after the repairs verify says\n%s", out)
	}
	s.api.checkBoards(d)
	expectNothingLeft(t, client)
}

// damage is something that is done to Redis by hand, and what verify says of it.
type damage struct {
	name  string
	do    func(ctx context.Context) error
	found []string
}

// damages are all done to one board, most of them to its user of the smallest id.
func damages(t *testing.T, client *redis.Client, l leaderboard.Layout) []damage {
	t.Helper()
	board := leaderboard.Board{Org: 7002, Group: 901, Rule: 3, Period: 2} // ascending
	rank, users, registry := l.RankKey(board), l.UsersKey(board), l.BoardsKey(l.Shard(board))
	member, score := firstUser(t, client, rank)
	time, user, err := leaderboard.ParseMember(member)
	if err != nil {
		t.Fatal(err)
	}
	holds := fmt.Sprintf("user %d: the log says %s at %s, ", user, leaderboard.Value(-score), time.Time().Format("2006-01-02T15:04:05.000Z"))
	other := leaderboard.Member(time+1, user)
	stranger := leaderboard.Member(time, 123_456)
	unknown := leaderboard.Board{Org: 7002, Group: 901, Rule: 3, Period: 99}
	differs := "board " + board.String() + " differs\n"
	run := func(args ...any) func(context.Context) error {
		return func(ctx context.Context) error { return client.Do(ctx, args...).Err() }
	}
	return []damage{
		{"the sorted set is gone", run("DEL", rank), []string{differs, holds + "the sorted set holds nothing, the users hash "}},
		{"the users are gone", run("DEL", users), []string{differs, holds, ", the users hash nothing"}},
		{"a user is gone from the users", run("HDEL", users, leaderboard.UserField(user)), []string{differs, holds, ", the users hash nothing"}},
		{"the whole board is gone", run("DEL", rank, users), []string{differs, holds + "Redis holds nothing", "users more; --json prints them all"}},
		{"a score is wrong", run("ZADD", rank, score-1500, member), []string{differs, holds + "Redis holds "}},
		{"a score is no value", run("ZADD", rank, -12.25, member), []string{differs, holds + "Redis holds 0.01225 at "}},
		{"a score is infinite", run("ZADD", rank, "inf", member), []string{differs, holds + "Redis holds -Inf at "}},
		{"a time is wrong", run("HSET", users, leaderboard.UserField(user), leaderboard.MemberTime(77)), []string{differs, holds, "the users hash the time 1970-01-01T00:00:00.077Z"}},
		{"a time is nonsense", run("HSET", users, leaderboard.UserField(user), "x"), []string{differs, holds, "1 member or time is malformed"}},
		{"a time is of nobody", run("HSET", users, int64(user)+1_000_000_000, leaderboard.MemberTime(time)), []string{differs, "1 member or time is malformed"}},
		{"a user stands twice", run("ZADD", rank, score, string(other[:])), []string{differs, "1 member or time is malformed"}},
		{"a member is nonsense", run("ZADD", rank, 5, "nobody"), []string{differs, "1 member or time is malformed"}},
		{"a stranger stands there", run("ZADD", rank, 5, string(stranger[:])), []string{differs, "user 123456: the log says nothing, the sorted set holds -0.005 at "}},
		{"a stranger has a time", run("HSET", users, leaderboard.UserField(123_456), leaderboard.MemberTime(77)), []string{differs, "user 123456: the log says nothing, the sorted set holds nothing, the users hash the time 1970-01-01T00:00:00.077Z"}},
		{"the board is not registered", run("HDEL", registry, board.String()), []string{differs, "it is not registered; the log has 1,"}},
		{"the rule is gone", run("HDEL", l.RulesKey(l.Shard(board)), board.String()), []string{differs, "Redis does not hold the rule by which it was folded"}},
		{"the board was synced at another time", run("HSET", registry, board.String(), 1_700_000_000_000), []string{differs, "Redis holds 2023-11-14T22:13:20.000Z"}},
		{"a board is registered that is none", run("HSET", l.BoardsKey(l.Shard(unknown)), unknown.String(), 5), []string{
			"board " + unknown.String() + " differs\n", "the catalog does not have it", "it is registered; the log has no record of it",
		}},
	}
}

// firstUser is the member of the user with the smallest id, and its score.
func firstUser(t *testing.T, client *redis.Client, rank string) (string, float64) {
	t.Helper()
	members, err := client.ZRangeWithScores(context.Background(), rank, 0, -1).Result()
	if err != nil || len(members) == 0 {
		t.Fatalf("%s has %d members: %v", rank, len(members), err)
	}
	first := slices.MinFunc(members, func(a, b redis.Z) int {
		// The last eight bytes of a member are the user's id, subtracted from 2^63-1.
		return strings.Compare(b.Member.(string)[6:], a.Member.(string)[6:])
	})
	return first.Member.(string), first.Score
}

// expectNothingLeft looks for what repairs may have left behind.
func expectNothingLeft(t *testing.T, client *redis.Client) {
	t.Helper()
	keys, err := client.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		ttl, err := client.PTTL(context.Background(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(key, ":new:") || strings.Contains(key, ":99") || (ttl >= 0 && !strings.HasSuffix(key, ":hold") && !strings.HasSuffix(key, ":journal")) {
			t.Errorf("key %s is there, to expire in %s", key, ttl)
		}
	}
}

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// TestVerifyWhileTheStreamFlows verifies again and again while a log is published
// and applied: all agrees at every moment, and what is damaged meanwhile is mended.
func TestVerifyWhileTheStreamFlows(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	defer client.Close()
	ctx := context.Background()
	layout := leaderboard.Layout{Generation: 1, Shards: 16}
	publish := programs.Command(t, "publish", append(s.kafkaFlags(), "-f", d.activities, "--rate", "2500")...)
	published := make(chan error, 1)
	go func() { published <- publish.Wait() }()
	s.projector.AwaitRecords(d.records / 10)

	rounds := 0
	for flows := true; flows; rounds++ {
		s.expectVerify(0)
		b := d.boards[rounds%len(d.boards)]
		board := leaderboard.Board{Org: 7002, Group: leaderboard.TargetGroupID(b.Group), Rule: leaderboard.TargetRuleID(b.Target), Period: leaderboard.PeriodID(b.Period)}
		if err := client.Del(ctx, layout.RankKey(board)).Err(); err != nil {
			t.Fatal(err)
		}
		if out := s.expectVerify(0, "--repair"); !strings.Contains(out, "board "+board.String()+" differs") {
			t.Errorf("--repair does not name board %s:\n%s", board, out)
		}
		select {
		case err := <-published:
			if err != nil {
				t.Fatalf("publish: %v\n%s", err, publish.Stderr)
			}
			flows = false
		default:
		}
	}
	t.Logf("verified and repaired %d times while the log was published", rounds)
	s.awaitHandled(d.records)
	s.expectVerify(0)
	s.api.checkBoards(d)
	expectNothingLeft(t, client)
}

// TestVerifyOneBoard compares and mends only the boards that are named.
func TestVerifyOneBoard(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	programs.Run(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
	s.awaitHandled(d.records)
	const one, two, third = "7002:901:1:1", "7002:901:2:1", "7002:901:4:3"
	client := redis.NewClient(&redis.Options{Addr: s.redis})
	defer client.Close()
	layout := leaderboard.Layout{Generation: 1, Shards: 16}
	for _, name := range []string{one, two} {
		board, err := leaderboard.ParseBoard(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.HDel(context.Background(), layout.UsersKey(board), "\x11").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if out := s.expectVerify(0, "--board", third); !strings.HasPrefix(out, "1 board, ") {
		t.Errorf("verify of a sound board says\n%s", out)
	}
	if out := s.expectVerify(1, "--board", one+","+third); strings.Contains(out, two) || !strings.Contains(out, "board "+one+" differs\n") || !strings.Contains(out, "2 boards compared, 1 agree\n") {
		t.Errorf("verify of two boards says\n%s", out)
	}
	s.expectVerify(0, "--board", one, "--repair")
	var report struct {
		Boards      int
		Differences []struct {
			Board string
			Users []struct {
				UserID      int64
				Log, Member *struct{ Value string }
				UsersTime   string
			}
		}
	}
	if err := json.Unmarshal([]byte(s.expectVerify(1, "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Boards != len(d.boards) || len(report.Differences) != 1 || report.Differences[0].Board != two || len(report.Differences[0].Users) != 1 {
		t.Fatalf("--json says %+v", report)
	}
	if u := report.Differences[0].Users[0]; u.UserID != 17 || u.UsersTime != "" || u.Member == nil || u.Log == nil || *u.Member != *u.Log {
		t.Errorf("--json says of the user %+v", u)
	}
	if out := s.expectVerify(1, "--board", "7002:901:1:77"); !strings.Contains(out, "board 7002:901:1:77 is neither in the catalog nor in Redis nor in the log") {
		t.Errorf("verify of a board that is none says\n%s", out)
	}
	if out := s.expectVerify(1, "--generation", "9"); !strings.Contains(out, "generation 9") {
		t.Errorf("verify of a generation that is none says\n%s", out)
	}
}

// TestVerifyKnowsWhatIsNoActivity verifies boards whose log has repeats, dead
// letters, erasures and a group that is off in it.
func TestVerifyKnowsWhatIsNoActivity(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	s := startServices(t, dataset{org: "1", catalog: catalog})
	cluster := consumer.Cluster{Brokers: s.brokers}
	writer := cluster.Writer(s.topics + "activities")
	defer writer.Close()
	publish := func(records ...string) {
		t.Helper()
		messages := make([]kafka.Message, len(records))
		for i, record := range records {
			messages[i] = kafka.Message{Key: []byte("1:5"), Value: []byte(record)}
		}
		if err := writer.WriteMessages(context.Background(), messages...); err != nil {
			t.Fatal(err)
		}
	}
	event := activityWith(`"userId"`, `"eventId":"e1","userId"`)
	publish(event, event, activityWith("", ""), activityWith(`:10`, `:11`), activityWith(`:10`, `:99`), "nonsense", activityWith(`"userId":5`, `"userId":6`))
	s.projector.AwaitRecords(7)
	if out := s.expectVerify(0); out != "1 board, 2 entries and 3 records agree\n" {
		t.Errorf("with a repeat and dead letters verify says\n%s", out)
	}
	publish(`{"type":"erase","orgId":1,"userId":5}`, event, activityWith("", ""))
	s.projector.AwaitRecords(10)
	if out := s.expectVerify(0); out != "1 board, 2 entries and 4 records agree\n" {
		t.Errorf("with an erasure verify says\n%s", out)
	}

	changed := t.TempDir() + "/changed.yaml"
	writeFile(t, changed, strings.Replace(deadLetterCatalog, "{targetRuleId: 7, name: seven}", "{targetRuleId: 7, name: seven, aggregate: max, order: asc}", 1))
	programs.Run(t, "catalog", append([]string{"apply", "-f", changed}, s.kafkaFlags()...)...)
	if out := s.expectVerify(1); !strings.Contains(out, "folded by the rule") {
		t.Errorf("with another aggregate verify says\n%s", out)
	}
	s.expectVerify(0, "--repair")
	s.expectVerify(0)
	publish(activityWith(`"value":2`, `"value":9`))
	s.projector.AwaitRecords(11)
	s.expectVerify(0)

	writeFile(t, changed, strings.Replace(deadLetterCatalog, "name: Ten", "name: Ten\n    active: false", 1))
	programs.Run(t, "catalog", append([]string{"apply", "-f", changed}, s.kafkaFlags()...)...)
	if out := s.expectVerify(0, "--repair"); !strings.Contains(out, "switched off in the catalog and not compared: 1:10:7:1\n") {
		t.Errorf("of a group that is off verify says\n%s", out)
	}
}

// TestVerifyNamesWhatTheLogHasLost deletes records as retention does: first such
// as the boards were made of, then such as no projector has read.
func TestVerifyNamesWhatTheLogHasLost(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	programs.Run(t, "publish", append(s.kafkaFlags(), "-f", d.activities)...)
	s.awaitHandled(d.records)
	s.deleteRecords(2, 100)
	for _, args := range [][]string{nil, {"--repair"}} {
		out := s.expectVerify(1, args...)
		if !strings.Contains(out, "the log of partition 2 begins at offset 100") || strings.Contains(out, "differ") {
			t.Errorf("verify %v says\n%s", args, out)
		}
	}
	s.api.checkBoards(d)

	s.projector.Stop()
	s.emptyRedis()
	s.startProjector()
	s.awaitHandled(d.records)
	out := s.expectVerify(1)
	if !strings.Contains(out, "offsets 0 to 99 of partition 2 were deleted from the log before they were read") || !strings.Contains(out, "19,900 records agree\n") {
		t.Errorf("with a hole verify says\n%s", out)
	}
}

// deleteRecords deletes the records of a partition below an offset.
func (s *services) deleteRecords(partition int32, below int64) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, below
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic, topic.Partitions = s.topics+"activities", []kmsg.DeleteRecordsRequestTopicPartition{p}
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Topics = []kmsg.DeleteRecordsRequestTopic{topic}
	answer, err := request.RequestWith(context.Background(), client)
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		s.t.Fatalf("delete records: %v %+v", err, answer)
	}
}

// expectVerify runs `leaderboard verify` with an exit code to come, and gives what
// it says.
func (s *services) expectVerify(code int, args ...string) string {
	s.t.Helper()
	cmd := programs.Command(s.t, "verify", slices.Concat(s.kafkaFlags(), []string{"--redis-addrs", s.redis}, args)...)
	err := cmd.Wait()
	words := cmd.Stderr.(*bytes.Buffer).String()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	out := cmd.Stdout.(*bytes.Buffer).String()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("verify %v ends with code %d, want %d:\n%s%s", args, got, code, out, words)
	}
	if !slices.Contains(args, "--json") {
		out += words
	}
	return out
}
