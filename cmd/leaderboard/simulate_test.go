package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/consumer"
)

// logged counts the activities of the log by board.
func logged(t *testing.T, broker string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	err := consumer.ReadCompacted(t.Context(), consumer.Cluster{Brokers: []string{broker}}, consumer.DefaultTopics().Activities, func(_ string, value []byte) error {
		var a struct{ OrgID, TargetGroupID, TargetRuleID int }
		err := json.Unmarshal(value, &a)
		counts[fmt.Sprint(a.OrgID, ":", a.TargetGroupID, ":", a.TargetRuleID)]++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func TestSimulateOnItsOwnCatalog(t *testing.T) {
	broker := startBroker(t)
	code, out, words := invoke(t, "", "simulate", "--kafka-brokers", broker, "--apply-catalog", "--boards", "4", "--users", "7", "--rate", "5000", "--count", "1200", "--json")
	var summary struct {
		Activities, Users, Boards int
		Seconds                   float64
		Topic                     string
	}
	if err := json.Unmarshal([]byte(out), &summary); code != daemon.ExitOK || words != "" || err != nil {
		t.Fatalf("code %d, out %q, words %q, %v", code, out, words, err)
	}
	if summary.Activities != 1200 || summary.Users != 7 || summary.Boards != 4 || summary.Seconds <= 0 || summary.Topic != "leaderboard.activities" {
		t.Errorf("the summary is %+v", summary)
	}
	boards := logged(t, broker)
	total := 0
	for _, n := range boards {
		total += n
	}
	if len(boards) != 4 || total != 1200 {
		t.Errorf("the log has %v", boards)
	}
	code, _, words = invoke(t, "", "simulate", "--kafka-brokers", broker, "--apply-catalog", "--boards", "4", "--count", "1")
	if code != daemon.ExitOK {
		t.Errorf("again: code %d, words %q", code, words)
	}
}

func TestSimulateOnACatalogThatIsThere(t *testing.T) {
	broker := startBroker(t)
	simulate := func() (code int, out, words string) {
		t.Helper()
		return invoke(t, "", "simulate", "--kafka-brokers", broker, "--count", "30", "--rate", "1000")
	}
	if code, _, words := simulate(); code != daemon.ExitFailure || !strings.Contains(words, "--apply-catalog") {
		t.Errorf("without a catalog: code %d, words %q", code, words)
	}
	catalog := writeFile(t, "catalog.yaml", `
orgs: [{orgId: 5, name: Five, timeZone: UTC}]
targetGroups:
  - targetGroupId: 50
    orgId: 5
    name: Fifty
    periods: [{periodId: 1, refCode: p, start: 2020-01-01T00:00:00Z, end: 2200-01-01T00:00:00Z}]
    targets: [{targetRuleId: 1, name: t}]
`)
	if code, _, words := invoke(t, "", "catalog", "apply", "-f", catalog, "--kafka-brokers", broker); code != daemon.ExitOK {
		t.Fatal(words)
	}
	code, out, words := simulate()
	if code != daemon.ExitOK || words != "" || !strings.Contains(out, "users: 1000, boards: 1\n") || !strings.Contains(out, "30 activities published to leaderboard.activities in ") {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	if boards := logged(t, broker); len(boards) != 1 || boards["5:50:1"] != 30 {
		t.Errorf("the log has %v", boards)
	}
}
