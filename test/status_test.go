package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// statusReport is what `status --json` says.
type statusReport struct {
	Problems []struct{ Problem, Advice, Runbook string }
	Servers  []struct{ Name, Error string }
	Topics   []struct {
		Name                 string
		Missing              bool
		Partitions, Replicas int
		Records              int64
		Settings             map[string]string
		Faults               []struct{ Setting string }
	}
	Generations []generation
	Group       *struct {
		Name, State string
		Members     []struct{ ID string }
	}
	Partitions []struct {
		Partition                                                   int
		LogStart, LogEnd, FenceLowest, FenceHighest, Lag, Committed *int64
		Member                                                      string
	}
	Boards *struct {
		Count, Entries, Outdated int
		Largest                  []struct {
			Board   string
			Entries int
		}
	}
	Freshness   struct{ NewestRecord, LastSync *struct{ Time time.Time } }
	DeadLetters *struct {
		Unsettled *int
		ByReason  map[string]int
	}
	Catalog *struct {
		Orgs, TargetGroups int
		Source             string
	}
}

// status runs the command and gives what it says in JSON and in words.
func (s *services) status() (report statusReport, words string, code int) {
	s.t.Helper()
	args := slices.Concat([]string{"status", "--kafka-group", s.topics, "--redis-addrs", s.redis}, s.kafkaFlags())
	run := func(args []string) outcome {
		return runProgram(s.t, nil, "", "leaderboard", args...)
	}
	inWords, inJSON := run(args), run(append(args, "--json"))
	if err := json.Unmarshal([]byte(inJSON.out), &report); err != nil || inWords.code != inJSON.code {
		s.t.Fatalf("%v, codes %d and %d in\n%s%s", err, inWords.code, inJSON.code, inJSON.out, inJSON.words)
	}
	if (inJSON.code == 0) != (len(report.Problems) == 0) {
		s.t.Errorf("code %d with the problems %v", inJSON.code, report.Problems)
	}
	for line := range strings.Lines(inWords.out) {
		if !strings.HasPrefix(line, "WRONG: ") && !strings.HasPrefix(line, "       ") && len([]rune(line)) > 101 {
			s.t.Errorf("a line of %d characters: %s", len([]rune(line)), line)
		}
	}
	return report, inWords.out, inJSON.code
}

// TestStatus looks at a leaderboard that is well, and then at one thing after the other
// that is not.
func TestStatus(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)

	report, words, code := s.status()
	if code != 0 || !strings.HasSuffix(words, "\nAll is well.\n") {
		t.Fatalf("code %d, status says\n%s", code, words)
	}
	t.Log("\n" + words)
	s.expectWell(&report, d)

	writer := &kafka.Writer{Addr: kafka.TCP(s.brokers...), Topic: s.topics + "activities", Transport: &kafka.Transport{}} // another one may not know the new topic yet
	defer writer.Close()
	if err := writer.WriteMessages(t.Context(), kafka.Message{Value: []byte("nonsense")}); err != nil {
		t.Fatal(err)
	}
	s.expectProblem("docs/runbook.md#leaderboarddeadletters", "dead letters are not settled: 1 not_json", "deadletters list")
	s.operate("deadletters discard --all")

	s.setTopic("activities", "retention.ms", "86400000")
	s.expectProblem("docs/runbook.md#topics-that-differ", "retention.ms is 86400000, not -1", "leaderboard topics create --alter")
	s.operate("topics create --alter")

	s.projector.Stop()
	report = s.expectProblem("docs/runbook.md#leaderboardnoprojector", "no projector is in group "+s.topics, "start bin/projector")
	if len(report.Group.Members) != 0 || len(report.Problems) != 1 {
		t.Errorf("members: %v, problems: %v", report.Group.Members, report.Problems)
	}
}

// expectWell compares the report with what was published.
func (s *services) expectWell(report *statusReport, d dataset) {
	t := s.t
	t.Helper()
	logEnd := int64(0)
	for _, p := range report.Partitions {
		if *p.LogStart != 0 || *p.FenceLowest != *p.LogEnd || *p.FenceHighest != *p.LogEnd || *p.Lag != 0 || *p.Committed != *p.LogEnd || p.Member != report.Group.Members[0].ID {
			t.Errorf("a partition is %+v", p)
		}
		logEnd += *p.LogEnd
	}
	if int(logEnd) != d.records || len(report.Partitions) != 4 || len(report.Group.Members) != 1 || report.Group.Name != s.topics {
		t.Errorf("partitions to %d, group %+v", logEnd, report.Group)
	}
	if b := report.Boards; b.Count != len(d.boards) || b.Entries != entriesOf(d) || len(b.Largest) != 5 || b.Largest[0].Entries < b.Largest[4].Entries {
		t.Errorf("boards are %+v", b)
	}
	if g := report.Generations; len(g) != 1 || !g[0].Read || g[0].Behind != 0 || g[0].Boards != len(d.boards) {
		t.Errorf("generations are %+v", g)
	}
	if c := report.Catalog; c.Orgs != 1 || c.TargetGroups != 1 || c.Source != "redis" || *report.DeadLetters.Unsettled != 0 {
		t.Errorf("catalog is %+v, dead letters are %+v", c, report.DeadLetters)
	}
	if f := report.Freshness; !f.NewestRecord.Time.Equal(f.LastSync.Time) || time.Since(f.LastSync.Time) > time.Hour {
		t.Errorf("the newest record is of %v, the boards of %v", f.NewestRecord, f.LastSync)
	}
	if len(report.Topics) != 5 || report.Topics[0].Records != int64(d.records) || report.Topics[0].Settings["retention.ms"] != "-1" {
		t.Errorf("topics are %+v", report.Topics)
	}
}

// expectProblem waits until the status names a problem, in JSON and in words.
func (s *services) expectProblem(runbook string, parts ...string) (report statusReport) {
	s.t.Helper()
	programs.Await(s.t, "the problem of "+runbook, func() error {
		var words string
		var code int
		report, words, code = s.status()
		i := slices.IndexFunc(report.Problems, func(p struct{ Problem, Advice, Runbook string }) bool { return p.Runbook == runbook })
		if code != 1 || i < 0 {
			return fmt.Errorf("code %d, problems %v", code, report.Problems)
		}
		said := report.Problems[i].Problem + "\n" + report.Problems[i].Advice
		for _, part := range append(parts, runbook) {
			if !strings.Contains(words, part) || !strings.Contains(said+runbook, part) {
				return fmt.Errorf("%q is not in %s\n%s", part, said, words)
			}
		}
		return nil
	})
	return report
}

// setTopic sets what somebody else would not have.
func (s *services) setTopic(topic, name, value string) {
	s.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...)}
	answer, err := client.IncrementalAlterConfigs(s.t.Context(), &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: s.topics + topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}},
		}},
	})
	if err == nil {
		err = answer.Resources[0].Error
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestStatusWhileAServerIsAway shows what the other one holds.
func TestStatusWhileAServerIsAway(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	s.publishPart(d.activities)
	s.awaitHandled(d.records)

	away := *s
	away.redis = unusedAddress
	report, words, code := away.status()
	if code != 1 || !strings.Contains(words, "WRONG: Redis cannot be reached: ") || strings.Contains(words, "Kafka cannot be reached") || report.Boards != nil {
		t.Errorf("without Redis: code %d, status says\n%s", code, words)
	}
	if len(report.Topics) != 5 || *report.Partitions[0].LogEnd == 0 || len(report.Group.Members) != 1 || report.Catalog.Source != "kafka" || report.Partitions[0].Lag != nil {
		t.Errorf("without Redis Kafka's part is %+v", report)
	}

	away = *s
	away.brokers = []string{unusedAddress}
	report, words, code = away.status()
	if code != 1 || !strings.Contains(words, "WRONG: Kafka cannot be reached: ") || strings.Contains(words, "Redis cannot be reached") || report.Group != nil {
		t.Errorf("without Kafka: code %d, status says\n%s", code, words)
	}
	if report.Boards.Count != len(d.boards) || *report.Partitions[0].FenceLowest == 0 || report.Catalog.Source != "redis" || len(report.Topics) != 0 {
		t.Errorf("without Kafka Redis' part is %+v", report)
	}
}

// TestStatusWatches reads two looks of one run, and ends it by the signal.
func TestStatusWatches(t *testing.T) {
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: servers.Redis(t)}
	args := slices.Concat([]string{"status", "--watch", "--every", "10ms", "--json", "--redis-addrs", s.redis}, s.kafkaFlags())
	watch := exec.Command(programs.Path(t, "leaderboard"), args...)
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watch.Process.Kill() })
	looks := json.NewDecoder(out)
	for range 2 {
		var report statusReport
		if err := looks.Decode(&report); err != nil || len(report.Topics) != 5 || !report.Topics[0].Missing {
			t.Errorf("%v in %+v", err, report)
		}
	}
	if err := errors.Join(watch.Process.Signal(os.Interrupt), watch.Wait()); err != nil {
		t.Error(err)
	}
}

// TestTopicsCreate makes the topics, finds them right, and mends what differs where
// that can be done.
func TestTopicsCreate(t *testing.T) {
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t)}
	create := func(code int, flags ...string) string {
		t.Helper()
		o := runProgram(t, nil, "", "leaderboard", slices.Concat([]string{"topics", "create"}, s.kafkaFlags(), flags)...)
		o.expect(code)
		return o.out
	}
	if out := create(0, "--partitions", "3", "--replication-factor", "1"); strings.Count(out, "created\n") != 6 {
		t.Errorf("created: %s", out)
	}
	if out := create(0, "--partitions", "3"); strings.Count(out, "right\n") != 6 {
		t.Errorf("created again: %s", out)
	}
	s.setTopic("catalog", "cleanup.policy", "delete")
	s.setTopic("activities", "retention.bytes", "1000000")
	s.setTopic("deadletters", "max.message.bytes", "9000000") // more is no fault
	out := create(1, "--partitions", "5", "--replication-factor", "2")
	for _, part := range []string{
		s.topics + "catalog: cleanup.policy is delete, not compact\n  leaderboard topics create --alter\n",
		s.topics + "activities: retention.bytes is 1000000, not -1\n  leaderboard topics create --alter\n",
		s.topics + "profiles: partitions is 3, not 5\n",
		s.topics + "deadletters: replicas is 1, not 2\n  kafka-reassign-partitions.sh",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
	if out := create(0, "--alter"); strings.Count(out, "altered\n") != 2 || strings.Count(out, "right\n") != 4 {
		t.Errorf("mended: %s", out)
	}
	if out := create(0); strings.Count(out, "right\n") != 6 {
		t.Errorf("after that: %s", out)
	}
}

// TestRunbookHasWhatStatusNames finds the sections that problems refer to.
func TestRunbookHasWhatStatusNames(t *testing.T) {
	runbook := readFile(t, filepath.Join("..", "docs", "runbook.md"))
	sections := submatches(`(?m)^## (.*)$`, runbook)
	for i := range sections {
		sections[i] = strings.ReplaceAll(strings.ToLower(sections[i]), " ", "-")
	}
	named := submatches(`r\.problem\("([^"]+)"`, readFile(t, filepath.Join("..", "cmd", "internal", "status", "problems.go")))
	if len(named) < 10 {
		t.Errorf("problems name the sections %v", named)
	}
	for _, section := range named {
		if !slices.Contains(sections, strings.ToLower(section)) {
			t.Errorf("the runbook has no section %s", section)
		}
	}
}
