package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// block is a fenced piece of the README.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```")

func readmeBlocks(t *testing.T, from, to string) []block {
	t.Helper()
	_, text, _ := strings.Cut(readFile(t, filepath.Join("..", "README.md")), from)
	text, _, ok := strings.Cut(text, to)
	if !ok {
		t.Fatalf("the README has no part from %q to %q", from, to)
	}
	var blocks []block
	for _, match := range fence.FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block{match[1], match[2]})
	}
	return blocks
}

// TestReadmeOnServers runs the README's commands on a real Kafka and a real Redis,
// and compares the answer with the one that it shows.
func TestReadmeOnServers(t *testing.T) {
	blocks := readmeBlocks(t, "## On Kafka and Redis", "## What to publish")
	languages := []string{}
	for _, b := range blocks {
		languages = append(languages, b.language)
	}
	if want := []string{"sh", "json", "sh", "sh", "json", "sh"}; !reflect.DeepEqual(languages, want) {
		t.Fatalf("the README's blocks are %v, want %v", languages, want)
	}
	if events := readFile(t, filepath.Join("..", "deploy", "example", "activities.jsonl")); !strings.Contains(events, blocks[1].text) {
		t.Errorf("the event that the README shows is not in the example: %s", blocks[1].text)
	}
	api := servers.FreeAddress(t)
	here := strings.NewReplacer(
		"make build\n", "", "localhost:9092", strings.Join(servers.Kafka(t), ","), "localhost:6379", servers.Redis(t), "localhost:8080", api)
	dir := readmeDirectory(t)
	t.Setenv("LISTEN", api)
	t.Setenv("ADMIN_LISTEN", "127.0.0.1:0")

	startScript(t, dir, here.Replace(blocks[0].text+blocks[2].text)+"wait")
	ask := func(command string) string {
		cmd := exec.Command("bash", "-euc", here.Replace(command))
		cmd.Dir = dir
		answer, _ := cmd.Output()
		return string(answer)
	}
	programs.Await(t, "the answer that the README shows", func() error {
		if answer := ask(blocks[3].text); !sameAnswer(answer, blocks[4].text) {
			return fmt.Errorf("it is %s", answer)
		}
		return nil
	})
	if answer := ask(blocks[5].text); !strings.Contains(answer, `"rank":2,`) {
		t.Errorf("the second user's rank is %s", answer)
	}
	prove := readmeBlocks(t, "## Prove and mend", "## Configuration")[0].text
	if answer := ask(settings(blocks[0].text) + prove); !strings.Contains(answer, "1 board, 4 entries and 5 records agree") {
		t.Errorf("the proof is %s", answer)
	}
}

// startScript starts what the script starts, and ends it with the test.
func startScript(t *testing.T, dir, script string) {
	t.Helper()
	daemons := exec.Command("bash", "-euc", script)
	daemons.Dir = dir
	daemons.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	daemons.Stdout, daemons.Stderr = log, log
	if err := daemons.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-daemons.Process.Pid, syscall.SIGKILL)
		_ = daemons.Wait()
		if t.Failed() {
			t.Log(readFile(t, log.Name()))
		}
	})
}

// settings are the lines of a script that set variables.
func settings(script string) string {
	var lines strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "export ") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// readmeDirectory is a directory in which the README's paths are true.
func readmeDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, target := range map[string]string{"bin": filepath.Dir(programs.Path(t, "query")), "deploy": absolute(t, filepath.Join("..", "deploy"))} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sameAnswer compares two answers but for when the board was synced.
func sameAnswer(a, b string) bool {
	var parsed [2]map[string]any
	for i, text := range []string{a, b} {
		if json.Unmarshal([]byte(text), &parsed[i]) != nil {
			return false
		}
		data, ok := parsed[i]["data"].(map[string]any)
		if !ok {
			return false
		}
		delete(data, "lastSyncTime")
		delete(data, "lastSyncTimeISO")
	}
	return reflect.DeepEqual(parsed[0], parsed[1])
}
