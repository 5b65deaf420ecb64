package servers

import (
	"context"
	"syscall"
	"testing"
)

// Process is a server of the test's own. It keeps its address and its data when
// it is stopped or killed and started again, and is gone after the test.
type Process struct {
	t      testing.TB
	server *server
}

// control hands a running server to a test.
func control(t testing.TB, s *server) *Process {
	t.Helper()
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Errorf("remove the server at %s: %v", s.addr, err)
		}
	})
	return &Process{t: t, server: s}
}

// Addr is where the server listens, as host:port.
func (p *Process) Addr() string { return p.server.addr }

// Start starts the server again after [Process.Stop] or [Process.Kill] and
// returns when it is ready.
func (p *Process) Start() {
	p.t.Helper()
	if p.server.running() {
		p.t.Fatalf("the server at %s runs already", p.server.addr)
	}
	if err := p.server.start(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

// Stop asks the server to end (SIGTERM) and returns when it has.
func (p *Process) Stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
}

// Kill ends the server at once (SIGKILL).
func (p *Process) Kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
}

// Pause freezes the server (SIGSTOP): connections stay, answers do not come.
func (p *Process) Pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
}

// Resume ends a [Process.Pause] (SIGCONT).
func (p *Process) Resume() {
	p.t.Helper()
	p.signal(syscall.SIGCONT)
}

func (p *Process) signal(sig syscall.Signal) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := p.server.signal(ctx, sig); err != nil {
		p.t.Fatal(err)
	}
}
