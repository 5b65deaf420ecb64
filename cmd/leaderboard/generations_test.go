package main

import (
	"strings"
	"testing"

	"leaderboard/cmd/internal/daemon"
)

func TestCommandsThatChangeMuchAreChecked(t *testing.T) {
	for args, want := range map[string][]string{
		"generations promote":                                  {"generation"},
		"generations promote x":                                {"the generation is not a whole number above 0"},
		"generations promote 2 --wait -1s":                     {"--wait (PROMOTE_WAIT)"},
		"generations drop 0":                                   {"the generation is not a whole number above 0"},
		"generations drop 2 --grace soon --redis-addrs x":      {"--grace (DROP_GRACE)", "--redis-addrs (REDIS_ADDRS)"},
		"generations list --redis-db=-1 --kafka-brokers x":     {"--redis-db (REDIS_DB)", "--kafka-brokers (KAFKA_BROKERS)"},
		"deadletters replay --kafka-brokers x":                 {"--all (DEADLETTERS_ALL)", "--kafka-brokers (KAFKA_BROKERS)"},
		"deadletters discard 7":                                {`"7" is not partition/offset`},
		"deadletters show 1/x":                                 {`"1/x" is not partition/offset`},
		"deadletters list --reason odd --since x --until 2026": {"--reason (DEADLETTERS_REASON)", "--since (DEADLETTERS_SINCE)", "--until (DEADLETTERS_UNTIL)"},
		"deadletters list --board 5:0":                         {"--board (DEADLETTERS_BOARD)"},
	} {
		code, _, words := invoke(t, "", strings.Fields(args)...)
		if code != daemon.ExitUsage {
			t.Errorf("%s: code %d", args, code)
		}
		for _, part := range want {
			if !strings.Contains(words, part) {
				t.Errorf("%s: %q is not in\n%s", args, part, words)
			}
		}
	}
}

// The key and value of a record may hold anything.
func TestRecordCannotSteerTheTerminal(t *testing.T) {
	for record, want := range map[string]string{
		`{"name":"Ünal"}`: `{"name":"Ünal"}`,
		"a\n\tb":          "a\n\tb",
		"\x1b[2J":         `"\x1b[2J"`,
		"\xff":            `"\xff"`,
	} {
		if got := readable([]byte(record)); got != want {
			t.Errorf("%q is shown as %s, want %s", record, got, want)
		}
	}
}
