// Package programs runs the project's own programs for tests: the real binaries,
// with their output in a log that a failed test shows.
package programs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// built is the directory that Path was obliged to fill, else empty.
var built string

// dir is the directory with the programs: BIN_DIR, or one that is filled once.
var dir = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("BIN_DIR"); given != "" {
		return filepath.Abs(given)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if built, err = os.MkdirTemp("", "leaderboard-bin-"); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", built, "./cmd/projector", "./cmd/query", "./cmd/leaderboard")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0") // to run in an image without libraries
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, output)
	}
	return built, nil
})

// moduleRoot is the nearest directory above the test that has the programs' source.
func moduleRoot() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "cmd", "projector")); err == nil {
			return at, nil
		}
	}
	return "", errors.New("the programs are nowhere above this directory; build them with `make build` and name theirs in BIN_DIR")
}

// Remove takes away what had to be built. TestMain calls it after m.Run.
func Remove() {
	if err := os.RemoveAll(built); err != nil {
		fmt.Fprintln(os.Stderr, "remove the programs that were built:", err)
	}
}

// Path is where the program of that name lies.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := dir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Command starts bin/leaderboard with a command, beside the test.
func Command(t testing.TB, command string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(Path(t, "leaderboard"), append([]string{command}, args...)...)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// Run runs bin/leaderboard with a command to its end, which has to be a good one.
func Run(t testing.TB, command string, args ...string) {
	t.Helper()
	cmd := Command(t, command, args...)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("leaderboard %s: %v\n%s", command, err, cmd.Stderr)
	}
}

const (
	awaitLimit   = 2 * time.Minute
	awaitBetween = 20 * time.Millisecond
)

// Await tries until the condition holds.
func Await(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(awaitLimit)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(awaitBetween)
	}
}
