// Package test holds the tests that need real servers and the real programs.
package test

import (
	"fmt"
	"os"
	"testing"

	"leaderboard/test/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Stop()
	if err := removePrograms(); err != nil {
		fmt.Fprintln(os.Stderr, "remove the programs that were built:", err)
	}
	os.Exit(code)
}
