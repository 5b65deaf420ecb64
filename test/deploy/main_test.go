package deploy

import (
	"os"
	"testing"

	"leaderboard/test/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	programs.Remove()
	os.Exit(code)
}
