package test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/segmentio/kafka-go"

	"leaderboard/test/dashboard"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestMetrics has a real Prometheus scrape both daemons while they work and fail,
// and asks it everything that the dashboard and the alerts ask.
func TestMetrics(t *testing.T) {
	catalog := t.TempDir() + "/catalog.yaml"
	writeFile(t, catalog, deadLetterCatalog)
	redis := servers.RedisServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s := &services{t: t, brokers: servers.Kafka(t), topics: servers.Topics(t), redis: redis.Addr()}
	s.launch(dataset{org: "1", catalog: catalog})
	s.projector.AwaitReady()
	s.applyCatalog(dataset{catalog: catalog})
	p := s.startPrometheus()
	stop := s.startLoad()
	defer stop()
	s.projector.AwaitRecords(100)

	redis.Kill()
	s.expectUnavailable(expectedBoard{Group: 10, Target: 7, Period: 1})
	redis.Start()
	s.query.AwaitReady()
	s.loseAnIdleShard()

	t.Run("promtool", func(t *testing.T) {
		for _, daemon := range []*programs.Program{s.projector, s.query} {
			promtool(t, metricsText(t, daemon), "check", "metrics")
		}
	})
	t.Run("documented", func(t *testing.T) {
		checkDocumented(t, describe(t, s.projector), describe(t, s.query))
	})
	t.Run("dashboard", func(t *testing.T) {
		d := readDashboard(t)
		for _, v := range d.Templating.List {
			if query, ok := v.Query.(map[string]any); ok {
				p.expectValues(t, fmt.Sprint(query["query"]))
			}
		}
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				p.expectSeries(t, panel.Title, target.Expr)
			}
		}
	})
	t.Run("alerts", func(t *testing.T) {
		for _, alert := range p.alerts(t) {
			p.expectSeries(t, alert.Name, alert.Query)
		}
	})
	stop()
	s.expectFreshness()
}

// expectFreshness requires that the metrics say of boards at rest what the API says.
func (s *services) expectFreshness() {
	s.t.Helper()
	var answer struct {
		Data struct{ LastSyncTimeISO time.Time }
	}
	programs.Await(s.t, "metrics that agree with the API", func() error {
		if err := s.api.ask("/v3.1/leaderboards/targetGroups/10?targetId=7&periodId=1", "", &answer); err != nil {
			return err
		}
		synced := float64(answer.Data.LastSyncTimeISO.UnixMilli()) / 1000
		for _, metric := range []struct {
			of   *programs.Program
			name string
			want float64
		}{
			{s.projector, "leaderboard_applied_timestamp_seconds", synced}, // one user, so one partition
			{s.query, "leaderboard_query_last_sync_timestamp_seconds", synced},
			{s.projector, "leaderboard_lag_records", 0},
			{s.projector, "leaderboard_projector_generation", 1},
			{s.query, "leaderboard_query_generation", 1},
			{s.projector, "leaderboard_ready", 1},
			{s.query, "leaderboard_ready", 1},
		} {
			if got := metric.of.Metric(metric.name); got != metric.want {
				return fmt.Errorf("%s is %f, want %f", metric.name, got, metric.want)
			}
		}
		return nil
	})
}

// startLoad publishes activities and dead letters, and asks, well and badly, until it
// is told to stop.
func (s *services) startLoad() (stop func()) {
	end := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for round := 0; ; round++ {
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
			}
			messages := []kafka.Message{{Key: []byte("1:5"), Value: []byte(activityWith("", ""))}}
			for reason, p := range poison {
				messages = append(messages, kafka.Message{Key: []byte(reason), Value: []byte(p.record)})
			}
			s.publishRecords(messages...)
			for _, path := range []string{
				"/v3.1/leaderboards/targetGroups/10?targetId=7&periodId=1", "/v3.1/leaderboards/user/5", "/v3.1/leaderboards/user/none", "/nowhere",
			} {
				_ = s.api.ask(path, "", new(any)) // some are to fail, and all while Redis is away
			}
		}
	})
	return sync.OnceFunc(func() { close(end); load.Wait() })
}

// loseAnIdleShard takes from Redis a shard without boards: the partitions are read
// again from their starts, and what the other shards have is repeated.
func (s *services) loseAnIdleShard() {
	s.t.Helper()
	store := s.store()
	for shard := range 16 {
		if len(dumpKeys(s.t, store, fmt.Sprintf("lb:{1.%d}:rank:*", shard))) > 0 {
			continue
		}
		if err := store.Del(s.t.Context(), fmt.Sprintf("lb:{1.%d}:fence", shard)).Err(); err != nil {
			s.t.Fatal(err)
		}
		break
	}
	programs.Await(s.t, "repeated records", func() error {
		if s.projector.Metric("leaderboard_records_total", "outcome", "repeated") == 0 {
			return errors.New("there are none")
		}
		return nil
	})
}

// promQL is a Prometheus that is asked.
type promQL struct{ prometheus.API }

// startPrometheus starts one with the project's configuration and alerts, made to
// look every second.
func (s *services) startPrometheus() promQL {
	s.t.Helper()
	dir := s.t.TempDir()
	deployed := filepath.Join("..", "deploy", "prometheus")
	here := strings.NewReplacer("localhost:8082", s.projector.Listening("admin"), "localhost:8081", s.query.Listening("admin"), "15s", "1s")
	writeFile(s.t, filepath.Join(dir, "prometheus.yaml"), here.Replace(readFile(s.t, filepath.Join(deployed, "prometheus.yaml"))))
	writeFile(s.t, filepath.Join(dir, "alerts.yaml"), readFile(s.t, filepath.Join(deployed, "alerts.yaml")))
	connection, err := client.NewClient(client.Config{Address: "http://" + servers.Prometheus(s.t, filepath.Join(dir, "prometheus.yaml")).Addr()})
	if err != nil {
		s.t.Fatal(err)
	}
	return promQL{prometheus.NewAPI(connection)}
}

// alerts are the alerting rules, once each was evaluated without an error.
func (p promQL) alerts(t *testing.T) []prometheus.AlertingRule {
	t.Helper()
	var alerts []prometheus.AlertingRule
	programs.Await(t, "the evaluation of all rules", func() error {
		alerts = nil
		loaded, err := p.Rules(t.Context(), nil)
		if err != nil {
			return err
		}
		for _, group := range loaded.Groups {
			for _, rule := range group.Rules {
				alert, isAlert := rule.(prometheus.AlertingRule)
				if !isAlert || alert.Health != prometheus.RuleHealthGood {
					return fmt.Errorf("the rule %+v is not good", rule)
				}
				alerts = append(alerts, alert)
			}
		}
		return nil
	})
	return alerts
}

// expectSeries requires that an expression has a number as its answer, and that
// each selector in it, by itself, finds series: one that is misspelt could hide
// behind another.
func (p promQL) expectSeries(t *testing.T, of, text string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(dashboard.Fill(text, 5*time.Minute))
	if err != nil {
		t.Errorf("%s: %v", of, err)
		return
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			p.await(t, of, selector.String())
		}
		return nil
	})
	p.await(t, of, subject(expr).String())
}

// subject is an alert's expression without its condition.
func subject(expr parser.Expr) parser.Expr {
	switch e := expr.(type) {
	case *parser.BinaryExpr:
		if _, isThreshold := e.RHS.(*parser.NumberLiteral); isThreshold && e.Op.IsComparisonOperator() {
			return e.LHS
		}
	case *parser.Call:
		if e.Func.Name == "absent" {
			return e.Args[0]
		}
	}
	return expr
}

// await waits until the answer of an expression has a number in it.
func (p promQL) await(t *testing.T, of, expr string) model.Vector {
	t.Helper()
	var found model.Vector
	programs.Await(t, fmt.Sprintf("a series of %s: %s", of, expr), func() error {
		value, _, _, err := p.Query(t.Context(), expr, time.Now())
		if err != nil {
			return err
		}
		found, _ = value.(model.Vector)
		if !slices.ContainsFunc(found, func(s *model.Sample) bool { return !math.IsNaN(float64(s.Value)) }) {
			return fmt.Errorf("the answer is %q", value)
		}
		return nil
	})
	return found
}

var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z]+)\)$`)

// expectValues requires that a variable of the dashboard finds values.
func (p promQL) expectValues(t *testing.T, definition string) {
	t.Helper()
	parts := labelValues.FindStringSubmatch(dashboard.Fill(definition, 5*time.Minute))
	if parts == nil {
		t.Fatalf("the variable %q is not of the form label_values(selector, label)", definition)
	}
	for _, sample := range p.await(t, "a variable", parts[1]) {
		if sample.Metric[model.LabelName(parts[2])] == "" {
			t.Errorf("%s: %s has no label %s", definition, sample.Metric, parts[2])
		}
	}
}

// promtool runs promtool, which has to be content and say nothing against its input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Stdin = strings.NewReader(input)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// TestAlertRules runs promtool over the rules and over their own tests, and requires
// a test and a section of the runbook for every alert.
func TestAlertRules(t *testing.T) {
	dir := filepath.Join("..", "deploy", "prometheus")
	promtool(t, "", "check", "config", filepath.Join(dir, "prometheus.yaml"))
	promtool(t, "", "test", "rules", filepath.Join(dir, "alerts_test.yaml"))

	rules, tests := readFile(t, filepath.Join(dir, "alerts.yaml")), readFile(t, filepath.Join(dir, "alerts_test.yaml"))
	alerts := submatches(`(?m)^ +- alert: (\w+)$`, rules)
	if sections := submatches(`(?m)^## (Leaderboard\w+)$`, readFile(t, filepath.Join("..", "docs", "runbook.md"))); !slices.Equal(sections, alerts) {
		t.Errorf("the runbook has the sections %v, want %v", sections, alerts)
	}
	for _, alert := range alerts {
		if !strings.Contains(rules, "runbook_url: docs/runbook.md#"+strings.ToLower(alert)+"\n") {
			t.Errorf("%s does not say where its section of the runbook is", alert)
		}
	}
	firing, quiet := submatches(`alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n`, tests), submatches(`alertname: (\w+), eval_time: \w+}\n`, tests)
	for what, tested := range map[string][]string{"fires": firing, "does not fire": quiet} {
		slices.Sort(tested)
		if want := slices.Sorted(slices.Values(alerts)); !slices.Equal(slices.Compact(tested), want) {
			t.Errorf("there are tests that an alert %s of %v, want %v", what, tested, want)
		}
	}
}

// submatches are what the group of a pattern matches in a text, in order.
func submatches(pattern, text string) []string {
	var found []string
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	return found
}

func readDashboard(t *testing.T) dashboard.Dashboard {
	t.Helper()
	d, err := dashboard.Read(filepath.Join("..", "deploy", "grafana", "leaderboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard requires of every panel what makes it readable, and that none lies
// on another.
func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	if want := []string{"datasource", "job", "instance", "partition"}; !slices.Equal(names, want) || d.SchemaVersion != 39 {
		t.Errorf("the variables are %v of schema version %d, want %v of 39", names, d.SchemaVersion, want)
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if other, taken := ids[p.ID]; taken {
			t.Errorf("%q and %q have one id", p.Title, other)
		}
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if defaults := p.FieldConfig.Defaults; p.Title == "" || p.Description == "" || defaults.Unit == "" || len(defaults.Thresholds.Steps) == 0 || len(p.Targets) == 0 {
			t.Errorf("%q lacks a title, a description, a unit, thresholds or a question", p.Title)
		}
		for _, target := range p.Targets {
			if p.Datasource.UID != "${datasource}" || target.Datasource.UID != "${datasource}" {
				t.Errorf("%q asks another data source", p.Title)
			}
			if strings.Count(target.Expr, "{") != strings.Count(target.Expr, `{job=~"$job", instance=~"$instance"`) {
				t.Errorf("%q does not keep to the jobs and instances chosen: %s", p.Title, target.Expr)
			}
		}
	}
}

// metricDoc is what is to be known of a metric.
type metricDoc struct{ kind, labels, meaning string }

// describe tells the metrics of a daemon, but for those of Go's runtime and the
// process.
func describe(t *testing.T, daemon *programs.Program) map[string]metricDoc {
	t.Helper()
	reader := expfmt.NewTextParser(model.UTF8Validation)
	families, err := reader.TextToMetricFamilies(strings.NewReader(metricsText(t, daemon)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]metricDoc{}
	for name, family := range families {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		labels := map[string]bool{}
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				labels["`"+label.GetName()+"`"] = true
			}
		}
		found[name] = metricDoc{
			kind: strings.ToLower(family.GetType().String()), labels: strings.Join(slices.Sorted(maps.Keys(labels)), ", "), meaning: family.GetHelp(),
		}
	}
	return found
}

func metricsText(t *testing.T, daemon *programs.Program) string {
	t.Helper()
	response, err := http.Get(daemon.Admin() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var metricRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|([^|]*)\\| ([^|]+) \\|$")

// checkDocumented compares docs/metrics.md with what the daemons say of themselves.
func checkDocumented(t *testing.T, projector, query map[string]metricDoc) {
	t.Helper()
	both := map[string]metricDoc{}
	for name, d := range projector {
		if query[name] == d {
			both[name] = d
			delete(projector, name)
			delete(query, name)
		}
	}
	text := readFile(t, filepath.Join("..", "docs", "metrics.md"))
	for title, want := range map[string]map[string]metricDoc{"Both daemons": both, "Projector": projector, "Query service": query} {
		_, section, _ := strings.Cut(text, "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		got := map[string]metricDoc{}
		for _, row := range metricRow.FindAllStringSubmatch(section, -1) {
			got[row[1]] = metricDoc{row[2], strings.TrimSpace(row[3]), row[4]}
		}
		for name, d := range want {
			if got[name] != d {
				t.Errorf("%s, %s: it is %+v, and documented as %+v", title, name, d, got[name])
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("%s: %s is documented, and is not there", title, name)
		}
	}
}
