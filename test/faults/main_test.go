package faults

import (
	"fmt"
	"os"
	"testing"

	"github.com/rs/zerolog"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics write to the global logger
	code := m.Run()
	servers.Stop()
	programs.Remove()
	if file := os.Getenv("RELIABILITY_TABLE"); file != "" && code == 0 {
		if err := measured.writeInto(file); err != nil {
			fmt.Fprintln(os.Stderr, "write the table of recovery times:", err)
			code = 1
		}
	}
	os.Exit(code)
}
