package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// dockerEngine is the Docker engine of the tests: the one that answers, which gets
// public images by itself, or one of their own, which has only stand-ins for them.
type dockerEngine struct {
	environment []string   // of the Docker client
	own         *ownEngine // nil when the engine was there before
}

// startedEngine starts an engine of the tests' own only where none answers.
var startedEngine = sync.OnceValues(func() (*dockerEngine, error) {
	environment := composePlugin()
	if exec.Command("docker", "version").Run() == nil {
		return &dockerEngine{environment: environment}, nil
	}
	own, err := startOwnEngine()
	if err != nil {
		return nil, fmt.Errorf("no Docker engine answers, and none can be started: %w", err)
	}
	return &dockerEngine{environment: append(environment, "DOCKER_HOST="+own.socket()), own: own}, nil
})

// composePlugin names the docker compose that `make servers` has made, where Docker
// brings none.
func composePlugin() (environment []string) {
	if exec.Command("docker", "compose", "version").Run() == nil {
		return nil
	}
	directory, err := filepath.Abs(filepath.Join("..", "..", ".build", "docker"))
	if err != nil {
		return nil
	}
	return []string{"DOCKER_CONFIG=" + directory}
}

// stopEngine ends the own engine, if there was one. TestMain calls it after m.Run.
func stopEngine() {
	if e, _ := startedEngine(); e != nil && e.own != nil {
		if err := e.own.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "end dockerd:", err)
		}
	}
}

// dial connects with a port that the engine has published.
func (e *dockerEngine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if e.own != nil {
		return e.own.dial(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// client is a command of the Docker client.
func (e *dockerEngine) client(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), e.environment...)
	return cmd
}

func getEngine(t *testing.T) *dockerEngine {
	t.Helper()
	e, err := startedEngine()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// docker runs a command of the Docker client and gives what it says. Code is that of
// the command, or of the program in the container.
func docker(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return run(t, getEngine(t).client(t.Context(), args...))
}

// atEnd runs a command of the Docker client when the test has ended.
func atEnd(t *testing.T, args ...string) {
	t.Helper()
	e := getEngine(t)
	t.Cleanup(func() { _ = e.client(context.Background(), args...).Run() })
}

func run(t *testing.T, cmd *exec.Cmd) (out string, code int) {
	t.Helper()
	output, err := cmd.CombinedOutput()
	exit := new(exec.ExitError)
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	if err != nil {
		code = exit.ExitCode()
	}
	return strings.TrimSpace(string(output)), code
}
