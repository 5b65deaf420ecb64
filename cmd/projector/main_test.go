package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/document"
)

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	parser, err := kong.New(new(settings), kong.Vars{"version": "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if len(flag.Envs) == 0 && flag.Name != "help" && flag.Name != "version" {
			t.Errorf("--%s has none", flag.Name)
		}
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	var out, words bytes.Buffer
	code := run([]string{"--shards", "0", "--kafka-group", "", "--admin", "here", "--sync-interval", "0s"}, &out, &words)
	if code != daemon.ExitUsage {
		t.Errorf("code %d", code)
	}
	for _, part := range []string{"--shards (SHARDS)", "--kafka-group (KAFKA_GROUP)", "--admin (ADMIN_LISTEN)", "--sync-interval (SYNC_INTERVAL)"} {
		if !strings.Contains(words.String(), part) {
			t.Errorf("%q is not in\n%s", part, words.String())
		}
	}
}

func TestSettingsAreDocumented(t *testing.T) { document.Settings(t, new(settings), name) }
