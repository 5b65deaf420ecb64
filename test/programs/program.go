package programs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"leaderboard/test/child"
)

// ReadyLimit is how long a program may take until it is ready.
const ReadyLimit = 90 * time.Second

const endLimit = 60 * time.Second

// Program is one of the real programs, running.
type Program struct {
	Process *child.Process

	t    testing.TB
	name string
}

// Start starts a program and waits until it is ready. Its admin endpoint, and the
// API of the query service, get free ports.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	p := Launch(t, nil, name, args...)
	p.AwaitReady()
	return p
}

// Launch starts a program with those environment variables (NAME=value) and no
// others, and does not wait for anything.
func Launch(t testing.TB, env []string, name string, args ...string) *Program {
	t.Helper()
	dir := t.TempDir()
	fixed := []string{"LOG_FORMAT=json", "LOG_LEVEL=info", "LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
	p := &Program{t: t, name: name, Process: &child.Process{
		Path: Path(t, name), Args: args, Env: append(fixed, env...),
		Dir: dir, Log: filepath.Join(dir, name+".log"),
	}}
	if err := p.Process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// end kills what still runs and shows the log of a test that failed.
func (p *Program) end() {
	if p.Process.Running() {
		p.Kill()
	}
	if p.t.Failed() {
		p.t.Logf("the end of the log of %s:\n%s", p.name, p.Process.Tail())
	}
}

// AwaitReady waits until /readyz of the program answers 200.
func (p *Program) AwaitReady() {
	p.t.Helper()
	deadline := time.Now().Add(ReadyLimit)
	for {
		missing := p.NotReady()
		switch {
		case missing == "":
			return
		case !p.Process.Running():
			p.t.Fatalf("%s ended with code %d before it was ready", p.name, p.Process.ExitCode())
		case time.Now().After(deadline):
			p.t.Fatalf("%s is not ready after %s: %s", p.name, ReadyLimit, missing)
		}
		time.Sleep(awaitBetween)
	}
}

// AwaitNotReady waits until /readyz names those settings, or other parts of what
// is missing.
func (p *Program) AwaitNotReady(parts ...string) {
	p.t.Helper()
	Await(p.t, p.name+" to say what is missing: "+strings.Join(parts, ", "), func() error {
		missing := p.NotReady()
		for _, part := range parts {
			if !strings.Contains(missing, part) {
				return fmt.Errorf("it says %q", missing)
			}
		}
		return nil
	})
}

// AwaitEnd waits until the program ends by itself, with that exit code and those
// words.
func (p *Program) AwaitEnd(code int, words ...string) {
	p.t.Helper()
	select {
	case <-p.Process.Ended():
	case <-time.After(ReadyLimit):
		p.t.Fatalf("%s has not ended after %s", p.name, ReadyLimit)
	}
	if got := p.Process.ExitCode(); got != code {
		p.t.Errorf("%s ended with code %d, want %d", p.name, got, code)
	}
	log := p.Log()
	for _, part := range words {
		if !strings.Contains(log, part) {
			p.t.Errorf("%s ended without saying %q", p.name, part)
		}
	}
}

// NotReady is what the program lacks, empty when it is ready.
func (p *Program) NotReady() string {
	p.t.Helper()
	addr := p.Listening("admin")
	if addr == "" {
		return "it has not said where its admin endpoint is"
	}
	ctx, cancel := context.WithTimeout(context.Background(), ReadyLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
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
	text, _ := io.ReadAll(response.Body)
	return response.Status + ": " + strings.TrimSpace(string(text))
}

// Admin is the URL of the program's admin endpoint.
func (p *Program) Admin() string { return p.url("admin") }

// API is the URL of the program's HTTP API.
func (p *Program) API() string { return p.url("api") }

func (p *Program) url(name string) string {
	p.t.Helper()
	addr := p.Listening(name)
	if addr == "" {
		p.t.Fatalf("%s has not said where its %s endpoint is", p.name, name)
	}
	return "http://" + addr
}

// Listening is where the program's log says that the endpoint is, empty when it
// does not say so yet.
func (p *Program) Listening(name string) string {
	p.t.Helper()
	for line := range strings.Lines(p.Log()) {
		var record struct{ Msg, Name, Addr string }
		if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "listening" && record.Name == name {
			return record.Addr
		}
	}
	return ""
}

// Log is all that the program has said.
func (p *Program) Log() string {
	p.t.Helper()
	text, err := os.ReadFile(p.Process.Log)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// Metric is the sum of a counter or gauge over the series that have the labels
// (name, value, name, value…).
func (p *Program) Metric(name string, labels ...string) float64 {
	p.t.Helper()
	response, err := http.Get(p.Admin() + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	sum := 0.0
series:
	for _, m := range families[name].GetMetric() {
		for i := 0; i < len(labels); i += 2 {
			matches := false
			for _, l := range m.GetLabel() {
				matches = matches || (l.GetName() == labels[i] && l.GetValue() == labels[i+1])
			}
			if !matches {
				continue series
			}
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return sum
}

// PeakMemory is the most memory, in bytes, that the program has had resident: what a
// container's limit is held against. It is 0 where the system does not tell.
func (p *Program) PeakMemory() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid()))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kibibytes int64
	if _, err := fmt.Sscan(rest, &kibibytes); err != nil {
		p.t.Fatalf("read the memory of %s: %v", p.name, err)
	}
	return kibibytes << 10
}

// AwaitRecords waits until the program has handled that many records.
func (p *Program) AwaitRecords(records int) {
	p.t.Helper()
	Await(p.t, fmt.Sprintf("%d records to be handled", records), func() error {
		if got := p.Metric("leaderboard_records_total"); int(got) < records {
			return fmt.Errorf("handled are %v", got)
		}
		return nil
	})
}

// Stop asks the program to end (SIGTERM) and requires that it does so in order.
func (p *Program) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.Process.ExitCode(); code != 0 {
		p.t.Fatalf("%s ended with code %d after SIGTERM", p.name, code)
	}
}

// Kill ends the program at once (SIGKILL).
func (p *Program) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
}

// Pause freezes the program (SIGSTOP).
func (p *Program) Pause() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP)
}

// Resume ends a [Program.Pause] (SIGCONT).
func (p *Program) Resume() {
	p.t.Helper()
	p.Signal(syscall.SIGCONT)
}

// Signal sends the program a signal; after SIGTERM and SIGKILL it has ended.
func (p *Program) Signal(sig syscall.Signal) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	if err := p.Process.Signal(ctx, sig); err != nil {
		p.t.Fatal(err)
	}
}
