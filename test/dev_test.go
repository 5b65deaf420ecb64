package test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

const activitiesTopic = "leaderboard.activities"

// TestDevAsItIs runs `leaderboard dev` as a newcomer does, and does what its
// banner says can be done.
func TestDevAsItIs(t *testing.T) {
	for _, c := range []struct{ name, path, store string }{
		{"redis-server", os.Getenv("PATH"), "redis-server ("},
		{"miniredis", t.TempDir(), "miniredis"},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := startDev(t, c.path)
			if !strings.HasPrefix(run.store, c.store) {
				t.Errorf("the banner says that the store is %q, want %s", run.store, c.store)
			}
			var top topAnswer
			paste(t, run.curls[0], &top)
			if len(top.Data.Rankings) == 0 || top.Data.Rankings[0].Rank != 1 {
				t.Errorf("the banner's first line answers %+v", top)
			}
			var rank rankAnswer
			paste(t, run.curls[1], &rank)
			if len(rank.Data.UserRanks) != 1 || rank.Data.UserRanks[0].Rank < 1 {
				t.Errorf("the banner's second line answers %+v", rank)
			}
			run.expectOnTop(top)
			run.interrupt()
		})
	}
}

// TestDevComesBack ends `leaderboard dev --data` in every way that it can end. It
// always comes back with its boards, also from the log alone.
func TestDevComesBack(t *testing.T) {
	data := madeUpPurchases(t)
	parts := splitLines(t, data.activities, 4)
	args := []string{"--data", t.TempDir(), "--catalog", data.catalog, "--activities", compress(t, parts[0])}

	run := startDev(t, os.Getenv("PATH"), args...)
	publish := []string{"publish", "--kafka-brokers", run.broker, "-f"}
	for _, c := range []struct {
		stdin string
		args  []string
		words string
	}{
		{"", []string{compress(t, parts[1])}, "5000 activities published"},
		{readFile(t, parts[2]), []string{"-"}, "5000 activities published"},
		{"", []string{parts[3], "--rate", "20000"}, "5000 activities published"},
	} {
		o := runProgram(t, nil, c.stdin, "leaderboard", append(publish, c.args...)...)
		o.expect(0, c.words)
	}
	run.Kill() // with the fold some way behind

	run = startDev(t, os.Getenv("PATH"), args...)
	run.expectNotPublishedAgain(data)
	run.awaitNoLag()
	run.checkBoards(data)
	second := runProgram(t, nil, "", "leaderboard", append([]string{"dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)
	second.expect(1, "--data", "in use by another process")
	run.interrupt()

	run = startDev(t, os.Getenv("PATH"), args...)
	run.expectNotPublishedAgain(data)
	run.checkBoards(data)
	if handled := run.Metric("leaderboard_records_total"); handled != 0 {
		t.Errorf("%v records were handled again, although redis-server has kept the boards", handled)
	}
	run.Kill()

	run = startDev(t, t.TempDir(), args...)
	run.expectNotPublishedAgain(data)
	run.AwaitRecords(data.records)
	run.checkBoards(data)
	run.interrupt()
}

// TestDevOnFiles gives `leaderboard dev` all the files that it takes.
func TestDevOnFiles(t *testing.T) {
	example := func(name string) string { return absolute(t, filepath.Join("..", "deploy", "example", name)) }
	clients := filepath.Join(t.TempDir(), "clients.json")
	programs.Run(t, "clients", "add", "--file", clients, "--id", "shop", "--org", "50711", "--secret", "change-me")
	run := startDev(t, t.TempDir(), "--catalog", example("catalog.yaml"), "--profiles", example("profiles.jsonl"),
		"--activities", example("activities.jsonl"), "--clients-file", clients)

	var top topAnswer
	paste(t, strings.Replace(run.curls[0], "ID:SECRET", "shop:change-me", 1), &top)
	want := map[string]string{
		"birthday": "NOT-CAPTURED", "gender": "Male", "mobile": "910000000001", "last_name": "Sawyer", "first_name": "Tom",
		"anniversary": "NOT-CAPTURED", "email": "tom@example.com",
	}
	if len(top.Data.Rankings) != 4 || fmt.Sprint(top.Data.Rankings[0].UserEnrichmentDetails) != fmt.Sprint(want) {
		t.Errorf("the rankings are %+v, want four, the first with %v", top.Data.Rankings, want)
	}
	request, err := http.NewRequest(http.MethodGet, run.API()+"/v3.1/leaderboards/targetGroups/232?targetId=366", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("demo", "demo")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("beside a clients file demo may call: %s", answer.Status)
	}
	run.interrupt()
}

// dev is a running `leaderboard dev`, and what its banner says.
type dev struct {
	*programs.Program
	t             *testing.T
	store, broker string
	notes         []string
	curls         []string
}

// startDev starts `leaderboard dev` with that PATH, on free ports, and awaits its
// banner.
func startDev(t *testing.T, path string, args ...string) *dev {
	t.Helper()
	d := &dev{t: t, Program: programs.Launch(t, []string{"PATH=" + path}, "leaderboard", append([]string{"dev"}, args...)...)}
	programs.Await(t, "the banner", func() error {
		switch {
		case strings.Contains(d.Log(), "Ctrl-C ends it."):
			return nil
		case !d.Process.Running():
			t.Fatalf("it ended with code %d", d.Process.ExitCode())
		}
		return errors.New("it is not there")
	})
	d.readBanner()
	return d
}

var bannerLine = regexp.MustCompile(`(?m)^ {2}(store +|broker +|note +|curl )(.*)$`)

func (d *dev) readBanner() {
	d.t.Helper()
	for _, line := range bannerLine.FindAllStringSubmatch(d.Log(), -1) {
		switch what, text := strings.TrimSpace(line[1]), line[2]; what {
		case "store":
			d.store = text
		case "broker":
			d.broker, _, _ = strings.Cut(text, " ")
		case "note":
			d.notes = append(d.notes, text)
		case "curl":
			d.curls = append(d.curls, line[1]+text)
		}
	}
	if d.broker == "" || len(d.curls) != 2 {
		d.t.Fatalf("the banner has the broker %q and the curl lines %q", d.broker, d.curls)
	}
}

// paste runs a command line in bash, as it is, and reads the successful answer of
// the API that it prints.
func paste(t *testing.T, line string, into any) {
	t.Helper()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	writeFile(t, filepath.Join(home, ".curlrc"), "fail-with-body\n") // so that its exit code tells of the status
	shell := exec.Command("bash", "-euc", line)
	shell.Env = []string{"PATH=" + filepath.Dir(curl), "HOME=" + home}
	answer, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, answer)
	}
}

// expectOnTop publishes an activity of a new user with a client of Kafka, and
// waits until that user leads the board.
func (d *dev) expectOnTop(board topAnswer) {
	d.t.Helper()
	const user = 42
	b := expectedBoard{Group: board.Data.TargetGroupID, Target: board.Data.TargetRuleID, Period: board.Data.PeriodID}
	writer := &kafka.Writer{Addr: kafka.TCP(d.broker), Topic: activitiesTopic, RequiredAcks: kafka.RequireAll}
	defer writer.Close()
	err := writer.WriteMessages(context.Background(), kafka.Message{
		Key: fmt.Appendf(nil, "50711:%d", user),
		Value: fmt.Appendf(nil, `{"orgId":50711,"userId":%d,"targetGroupId":%d,"targetRuleId":%d,"periodId":%d,"value":1e9,"activityTime":%d}`,
			user, b.Group, b.Target, b.Period, time.Now().UnixMilli()),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	api := newAPI(d.t, d.API(), "demo", "demo")
	programs.Await(d.t, "the new user to lead the board", func() error {
		if first, _ := api.page(b, 1, 1); first[0].User != user || first[0].Value != "1000000000" {
			return fmt.Errorf("it is led by %+v", first[0])
		}
		return nil
	})
}

// interrupt is Ctrl-C. Nothing of the program is left afterwards: neither its
// redis-server, if it has one, nor that one's directory.
func (d *dev) interrupt() {
	d.t.Helper()
	child := d.redisServer()
	d.Signal(syscall.SIGINT)
	if code := d.Process.ExitCode(); code != 0 {
		d.t.Errorf("it ended with code %d after SIGINT", code)
	}
	if child != 0 && syscall.Kill(child, 0) == nil {
		d.t.Errorf("its redis-server, pid %d, has outlived it", child)
	}
	if left := d.sockets(); left != nil {
		d.t.Errorf("left are %v", left)
	}
}

// redisServer is the pid of the program's redis-server, 0 when it has none.
func (d *dev) redisServer() int {
	d.t.Helper()
	sockets := d.sockets()
	if len(sockets) == 0 {
		return 0
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: sockets[0]})
	defer client.Close()
	about, err := client.InfoMap(context.Background(), "server").Result()
	if err != nil {
		d.t.Fatal(err)
	}
	pid, err := strconv.Atoi(about["Server"]["process_id"])
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

// sockets are those of the program's redis-server, which lie where the program
// puts temporary files.
func (d *dev) sockets() []string {
	d.t.Helper()
	sockets, err := filepath.Glob(filepath.Join(d.Process.Dir, "leaderboard-*", "redis.sock"))
	if err != nil {
		d.t.Fatal(err)
	}
	return sockets
}

// expectNotPublishedAgain looks at a program that was started on a log: it has not
// published its activities file to it.
func (d *dev) expectNotPublishedAgain(data dataset) {
	d.t.Helper()
	if !strings.Contains(strings.Join(d.notes, "\n"), "was not published again") {
		d.t.Errorf("the banner's notes are %q", d.notes)
	}
	if records := recordCount(d.t, d.broker, activitiesTopic); records != data.records {
		d.t.Errorf("the log has %d records, want %d", records, data.records)
	}
}

func (d *dev) checkBoards(data dataset) {
	d.t.Helper()
	newAPI(d.t, d.API(), "demo", "demo").checkBoards(data)
}

var noLag = regexp.MustCompile(`(?m)^leaderboard_lag_records\{.*topic="` + regexp.QuoteMeta(activitiesTopic) + `".*\} 0$`)

// awaitNoLag waits until the program has handled all partitions to their ends.
func (d *dev) awaitNoLag() {
	d.t.Helper()
	programs.Await(d.t, "the end of the log", func() error {
		response, err := http.Get(d.Admin() + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		var text bytes.Buffer
		if _, err := text.ReadFrom(response.Body); err != nil {
			return err
		}
		if ends := len(noLag.FindAll(text.Bytes(), -1)); ends != 4 {
			return fmt.Errorf("of four partitions %d are at their ends", ends)
		}
		return nil
	})
}

// recordCount is how many records a topic has.
func recordCount(t testing.TB, broker, topic string) int {
	t.Helper()
	client := consumer.Cluster{Brokers: []string{broker}}.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	metadata, err := client.Metadata(context.Background(), &kafka.MetadataRequest{Topics: []string{topic}})
	if err == nil {
		err = metadata.Topics[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
	var ends []kafka.OffsetRequest
	for _, p := range metadata.Topics[0].Partitions {
		ends = append(ends, kafka.LastOffsetOf(p.ID))
	}
	answer, err := client.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ends}})
	if err != nil {
		t.Fatal(err)
	}
	count := int64(0)
	for _, p := range answer.Topics[topic] {
		count += p.LastOffset
	}
	return int(count)
}

// compress makes a .gz of the file.
func compress(t *testing.T, path string) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(readFile(t, path))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path+".gz", packed.String())
	return path + ".gz"
}
