package servers_test

import (
	"os"
	"testing"

	"leaderboard/test/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Stop()
	os.Exit(code)
}
