package deploy

import (
	"os"
	"testing"

	"leaderboard/test/programs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stopEngine()
	programs.Remove()
	os.Exit(code)
}
