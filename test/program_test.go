package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leaderboard/test/child"
)

const (
	programReadyLimit = 90 * time.Second
	programEndLimit   = 60 * time.Second
)

// builtPrograms is the directory that programs was obliged to fill, else empty.
var builtPrograms string

// programs is the directory with the real programs: BIN_DIR, or one that is
// filled once.
var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("BIN_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.MkdirTemp("", "leaderboard-bin-")
	if err != nil {
		return "", err
	}
	builtPrograms = dir
	build := exec.Command("go", "build", "-o", dir, "./cmd/projector", "./cmd/query", "./cmd/leaderboard")
	build.Dir = ".."
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, output)
	}
	return dir, nil
})

func removePrograms() error { return os.RemoveAll(builtPrograms) }

// programPath is where the program of that name lies.
func programPath(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// program is one of the real programs, running.
type program struct {
	t       testing.TB
	name    string
	process *child.Process
}

// startProgram starts a program and waits until it is ready. Its admin endpoint,
// and the API of the query service, get free ports.
func startProgram(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := launchProgram(t, nil, name, args...)
	p.AwaitReady()
	return p
}

// launchProgram starts a program with those environment variables (NAME=value)
// and no others, and does not wait for anything.
func launchProgram(t testing.TB, env []string, name string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	fixed := []string{"LOG_FORMAT=json", "LOG_LEVEL=info", "LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
	p := &program{t: t, name: name, process: &child.Process{
		Path: programPath(t, name), Args: args, Env: append(fixed, env...),
		Dir: dir, Log: filepath.Join(dir, name+".log"),
	}}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// end kills what still runs and shows the log of a test that failed.
func (p *program) end() {
	if p.process.Running() {
		p.Kill()
	}
	if p.t.Failed() {
		p.t.Logf("the end of the log of %s:\n%s", p.name, p.process.Tail())
	}
}

// AwaitReady waits until /readyz of the program answers 200.
func (p *program) AwaitReady() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programReadyLimit)
	defer cancel()
	missing := "it has not said where its admin endpoint is"
	for {
		if addr := p.listening("admin"); addr != "" {
			missing = notReady(ctx, "http://"+addr+"/readyz")
		}
		switch {
		case missing == "":
			return
		case !p.process.Running():
			p.t.Fatalf("%s ended with code %d before it was ready", p.name, p.process.ExitCode())
		case ctx.Err() != nil:
			p.t.Fatalf("%s is not ready after %s: %s", p.name, programReadyLimit, missing)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// notReady is what a program lacks, empty when it is ready.
func notReady(ctx context.Context, url string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return ""
	}
	text, _ := bufio.NewReader(response.Body).ReadString('\n')
	return response.Status + ": " + text
}

// Admin is the URL of the program's admin endpoint.
func (p *program) Admin() string { return p.url("admin") }

// API is the URL of the program's HTTP API.
func (p *program) API() string { return p.url("api") }

func (p *program) url(name string) string {
	p.t.Helper()
	addr := p.listening(name)
	if addr == "" {
		p.t.Fatalf("%s has not said where its %s endpoint is", p.name, name)
	}
	return "http://" + addr
}

// listening is where the program's log says that the endpoint is, empty when it
// does not say so yet.
func (p *program) listening(name string) string {
	for line := range strings.Lines(p.Log()) {
		var record struct{ Msg, Name, Addr string }
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "listening" && record.Name == name {
			return record.Addr
		}
	}
	return ""
}

// Log is all that the program has said.
func (p *program) Log() string {
	p.t.Helper()
	text, err := os.ReadFile(p.process.Log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// Stop asks the program to end (SIGTERM) and requires that it does so in order.
func (p *program) Stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.process.ExitCode(); code != 0 {
		p.t.Fatalf("%s ended with code %d after SIGTERM", p.name, code)
	}
}

// Kill ends the program at once (SIGKILL).
func (p *program) Kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
}

func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programEndLimit)
	defer cancel()
	if err := p.process.Signal(ctx, sig); err != nil {
		p.t.Fatal(err)
	}
}
