package documents

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// elsewhere are the documents whose commands other tests run.
var elsewhere = map[string]string{
	"README.md":                         "TestReadmeOnServers",
	"docs/api.md":                       "the tests of the API",
	"docs/deploying.md":                 "test/deploy, as far as there is a Docker engine",
	"deploy/helm/leaderboard/README.md": "test/deploy",
}

// TestCommands runs the commands of each document on a Kafka and a Redis of its own,
// after those with which the README sets them up. A block of text that follows
// commands is what they are to print; they are tried until they do, so that what a
// daemon has to do first is awaited. "…" stands for anything.
func TestCommands(t *testing.T) {
	documents := readDocuments(t)
	for path, d := range documents {
		commands := slices.ContainsFunc(d.blocks, func(b block) bool { return b.language == "sh" && b.notRun == "" })
		if !commands || elsewhere[path] != "" {
			continue
		}
		t.Run(path, func(t *testing.T) {
			sh := newShell(t)
			for _, b := range documents["README.md"].blocks {
				if b.section == "On Kafka and Redis" && b.language == "sh" && !strings.HasPrefix(b.text, "curl") {
					sh.run(strings.TrimPrefix(b.text, "make build\n"))
				}
			}
			for i, b := range d.blocks {
				if b.language != "sh" || b.notRun != "" {
					continue
				}
				if i+1 < len(d.blocks) && d.blocks[i+1].language == "text" {
					sh.runUntil(b.text, d.blocks[i+1].text)
				} else {
					sh.run(b.text)
				}
			}
		})
	}
}

// shell runs commands of a document in a directory in which its paths are true.
type shell struct {
	t       *testing.T
	dir     string
	env     []string
	here    *strings.Replacer
	exports string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	sh := &shell{t: t, dir: t.TempDir()}
	for _, name := range []string{".build", "deploy", "docs", "go.mod", "go.sum"} {
		sh.link(filepath.Join(root, name), name)
	}
	sh.link(filepath.Dir(programs.Path(t, "query")), "bin")
	api := servers.FreeAddress(t)
	sh.env = append(os.Environ(), "LISTEN="+api, "ADMIN_LISTEN=127.0.0.1:0", "SYNC_INTERVAL=200ms")
	sh.here = strings.NewReplacer(
		"localhost:9092", servers.KafkaServer(t).Addr(), "localhost:6379", servers.Redis(t), "localhost:8080", api)
	return sh
}

func (sh *shell) link(target, name string) {
	sh.t.Helper()
	target, err := filepath.Abs(target)
	if err == nil {
		err = os.Symlink(target, filepath.Join(sh.dir, name))
	}
	if err != nil {
		sh.t.Fatal(err)
	}
}

// run runs a block, whose daemons go on until the test ends. What it exports holds
// for the blocks after it.
func (sh *shell) run(block string) {
	sh.t.Helper()
	if _, err := sh.output(block); err != nil {
		sh.t.Fatal(err)
	}
}

func (sh *shell) runUntil(block, want string) {
	sh.t.Helper()
	pattern := patternOf(want)
	programs.Await(sh.t, "what the document shows of\n"+block, func() error {
		output, err := sh.output(block)
		if err == nil && !pattern.MatchString(output) {
			err = fmt.Errorf("it is\n%s\nwant\n%s", output, want)
		}
		return err
	})
}

var gaps = regexp.MustCompile(` +`)

// patternOf matches what a document shows, whatever the columns' widths are.
func patternOf(shown string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.TrimSpace(shown))
	pattern = gaps.ReplaceAllString(strings.ReplaceAll(pattern, "…", ".*"), " +")
	return regexp.MustCompile(`^\s*` + pattern + `\s*$`)
}

func (sh *shell) output(block string) (string, error) {
	sh.t.Helper()
	block = sh.here.Replace(block)
	out, err := os.CreateTemp(sh.dir, "out")
	if err != nil {
		sh.t.Fatal(err)
	}
	defer out.Close()
	log, err := os.CreateTemp(sh.dir, "log")
	if err != nil {
		sh.t.Fatal(err)
	}
	defer log.Close()
	bash := exec.Command("bash", "-euo", "pipefail", "-c", sh.exports+block)
	bash.Dir, bash.Env, bash.Stdout, bash.Stderr = sh.dir, sh.env, out, log
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := bash.Start(); err != nil {
		sh.t.Fatal(err)
	}
	if strings.Contains(block, " &\n") {
		daemons := -bash.Process.Pid
		sh.t.Cleanup(func() { _ = syscall.Kill(daemons, syscall.SIGKILL) })
	}
	failed := bash.Wait()
	words, err := os.ReadFile(log.Name())
	if err != nil {
		sh.t.Fatal(err)
	}
	if failed != nil {
		return "", fmt.Errorf("%w of\n%s%s", failed, block, words)
	}
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, "export ") {
			sh.exports += line
		}
	}
	text, err := os.ReadFile(out.Name())
	return string(text), err
}
