// Package child runs programs that end when the test binary does, even when that
// one is killed.
package child

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// Process is a program that can run more than once, one run after the other.
type Process struct {
	Path string
	Args []string
	Env  []string // nil: that of the test binary
	Dir  string   // where it runs
	Log  string   // the file that gets its output, run after run

	command *exec.Cmd
	ended   chan struct{}
}

// Start starts a run of the program.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.command = exec.Command(p.Path, p.Args...)
	p.command.Env, p.command.Dir = p.Env, p.Dir
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = dieWithParent()
	p.ended = make(chan struct{})
	started := make(chan error)
	go p.run(started)
	return <-started
}

// run owns the child from its start to its end.
func (p *Process) run(started chan<- error) {
	// "Die with the parent" means the thread that made the child: keep that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	err := p.command.Start()
	started <- err
	if err == nil {
		_ = p.command.Wait() // ExitCode says how it ended
	}
}

// Pid is that of the run that was started last.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Running says whether a run was started and has not ended.
func (p *Process) Running() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ended is closed when the run that was started last has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode is that of a run that has ended, -1 when a signal ended it.
func (p *Process) ExitCode() int { return p.command.ProcessState.ExitCode() }

// Signal sends a signal. After SIGTERM and SIGKILL it returns when the program
// has ended, with an error when ctx ends first.
func (p *Process) Signal(ctx context.Context, sig syscall.Signal) error {
	if err := p.command.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %q to pid %d: %w", sig, p.command.Process.Pid, err)
	}
	switch sig {
	case syscall.SIGTERM:
		_ = p.command.Process.Signal(syscall.SIGCONT) // a frozen program hears of its end only then
	case syscall.SIGSTOP, syscall.SIGCONT:
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pid %d goes on after the signal %q: %w", p.command.Process.Pid, sig, ctx.Err())
	}
}

// Tail is the end of the log.
func (p *Process) Tail() string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	return LastLines(text)
}

// LastLines are as many lines of a log as one wants to see of it.
func LastLines(text []byte) string {
	const lines = 40
	all := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
