package child_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"leaderboard/test/child"
)

// parentOf makes the test binary a parent: its child writes to the pipe of that name.
const parentOf = "TEST_PARENT_OF"

func TestMain(m *testing.M) {
	if pipe := os.Getenv(parentOf); pipe != "" {
		os.Exit(beParent(pipe))
	}
	os.Exit(m.Run())
}

func beParent(pipe string) int {
	process := child.Process{Path: "/bin/sh", Args: []string{"-c", "echo up; exec sleep 3600"}, Log: pipe}
	if process.Start() != nil {
		return 1
	}
	<-process.Ended()
	return 0
}

func TestChildDiesWithItsParent(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentOf+"="+pipe)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	reader := bufio.NewReader(said)
	if line, err := reader.ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("the child said %q, error %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	// The pipe ends when nobody can write to it any more.
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Errorf("the child said %q, error %v", rest, err)
	}
}
