package documents

import (
	"os"
	"testing"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

func TestMain(m *testing.M) {
	code := m.Run()
	servers.Stop()
	programs.Remove()
	os.Exit(code)
}
