package servers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"leaderboard/test/child"
)

// process is a machine that is a child of the test binary.
type process struct{ child.Process }

func newProcess(dir, path string, args ...string) *process {
	return &process{child.Process{Path: path, Args: args, Dir: dir, Log: filepath.Join(dir, "server.log")}}
}

// newDir makes the directory of a process: its data, its configuration, its log.
func newDir(kind string) (string, error) {
	dir, err := os.MkdirTemp("", "leaderboard-"+kind+"-")
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func (p *process) start(context.Context) error { return p.Start() }

func (p *process) running() bool { return p.Running() }

func (p *process) signal(ctx context.Context, sig syscall.Signal) error { return p.Signal(ctx, sig) }

func (p *process) log() string { return p.Tail() }

func (p *process) remove() error {
	var killed error
	if p.Running() {
		killed = p.Signal(context.Background(), syscall.SIGKILL)
	}
	return errors.Join(killed, os.RemoveAll(p.Dir))
}
