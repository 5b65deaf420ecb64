package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"leaderboard/consumer"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// TestSimulateUntilTheSignal counts what a simulation that is asked to end has published.
func TestSimulateUntilTheSignal(t *testing.T) {
	brokers, topics := servers.Kafka(t), servers.Topics(t)
	published := func() (records int64, err error) {
		extents, err := consumer.Extents(t.Context(), consumer.Cluster{Brokers: brokers}, topics+"activities")
		for _, e := range extents {
			records += e.End
		}
		return records, err
	}
	args := []string{"simulate", "--apply-catalog", "--rate", "500", "--json", "--kafka-brokers", strings.Join(brokers, ",")}
	command := exec.Command(programs.Path(t, "leaderboard"), slices.Concat(args, topicFlags(topics))...)
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	programs.Await(t, "activities", func() error {
		if n, err := published(); err != nil || n < 100 {
			return fmt.Errorf("there are %d, %w", n, err)
		}
		return nil
	})
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil || words.Len() > 0 {
		t.Errorf("it ends with %v and says %s", err, &words)
	}
	var summary struct{ Activities, Boards int64 }
	if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
		t.Errorf("%v in %s", err, &out)
	}
	if n, err := published(); err != nil || n != summary.Activities || summary.Boards != 3 {
		t.Errorf("the log has %d, the summary is %+v, %v", n, summary, err)
	}
}
