package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"leaderboard/test/child"
)

// ownEngine is a dockerd in a network of its own, which reaches nothing and which the
// machine's rules and addresses do not reach; all that it makes there goes with it.
type ownEngine struct {
	dir     string
	process *child.Process
}

const ownEngineLimit = time.Minute

func startOwnEngine() (*ownEngine, error) {
	if os.Getuid() != 0 {
		return nil, errors.New("start Docker, or run the tests as root, so that they can start it")
	}
	for _, name := range []string{"dockerd", "busybox"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%w; install it with `make servers`", err)
		}
	}
	dir, err := os.MkdirTemp("", "leaderboard-docker-")
	if err != nil {
		return nil, err
	}
	e := &ownEngine{dir: dir}
	e.process = &child.Process{
		Path: "/usr/bin/unshare", Log: filepath.Join(dir, "log"),
		Args: []string{
			"--net", "busybox", "sh", "-c", `busybox ip link set lo up && exec dockerd "$@"`, "dockerd",
			"--host", e.socket(), "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
			"--pidfile", filepath.Join(dir, "pid"), "--bridge", "none", "--log-level", "warn",
		},
	}
	if err := errors.Join(e.process.Start(), e.await()); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

func (e *ownEngine) socket() string { return "unix://" + filepath.Join(e.dir, "socket") }

// await waits until the engine answers.
func (e *ownEngine) await() error {
	for deadline := time.Now().Add(ownEngineLimit); ; time.Sleep(50 * time.Millisecond) {
		if exec.Command("docker", "--host", e.socket(), "version").Run() == nil {
			return nil
		}
		if !e.process.Running() || time.Now().After(deadline) {
			return fmt.Errorf("dockerd does not answer; its log ends so:\n%s", e.process.Tail())
		}
	}
}

// stop ends the engine with its containers and takes away what it had.
func (e *ownEngine) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), ownEngineLimit)
	defer cancel()
	var err error
	if e.process.Running() {
		err = e.process.Signal(ctx, syscall.SIGTERM)
	}
	_ = syscall.Unmount(filepath.Join(e.dir, "exec", "netns", "default"), 0) // the engine leaves it behind
	return errors.Join(err, os.RemoveAll(e.dir))
}

// dial connects from within the engine's network.
func (e *ownEngine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	type dialled struct {
		net.Conn
		error
	}
	result := make(chan dialled)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread that went there ends with this function
		conn, err := e.dialHere(ctx, network, address)
		result <- dialled{conn, err}
	}()
	d := <-result
	return d.Conn, d.error
}

func (e *ownEngine) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", e.process.Pid()))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
