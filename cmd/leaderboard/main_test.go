package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/document"
	"leaderboard/query/auth"
)

// invoke runs the program as the shell does.
func invoke(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, words bytes.Buffer
	code = run(args, streams{strings.NewReader(stdin), &out, &words})
	return code, out.String(), words.String()
}

func startBroker(t *testing.T) string {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker.ListenAddrs()[0]
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	parser, err := kong.New(new(program), kong.Vars{"version": "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(false) {
		for _, flag := range command.Flags {
			if len(flag.Envs) == 0 {
				t.Errorf("%s --%s has none", command.Path(), flag.Name)
			}
		}
	}
}

func TestSettingsAreDocumented(t *testing.T) { document.Settings(t, new(program), name) }

func TestEveryCommandChecksItsSettings(t *testing.T) {
	for args, want := range map[string][]string{
		"publish --rate -1 --kafka-brokers x":                   {"--file (ACTIVITIES_FILE)", "--rate (PUBLISH_RATE)", "--kafka-brokers (KAFKA_BROKERS)"},
		"publish -f /nonexistent":                               {"there is no file /nonexistent"},
		"profiles publish --kafka-partitions 0":                 {"--file (PROFILES_FILE)", "--kafka-partitions (KAFKA_PARTITIONS)"},
		"catalog apply --kafka-brokers x":                       {"--file (CATALOG_FILE)", "--kafka-brokers (KAFKA_BROKERS)"},
		"catalog show --kafka-brokers x":                        {"--kafka-brokers (KAFKA_BROKERS)"},
		"clients add":                                           {"--file (CLIENTS_FILE)", "--id (CLIENT_ID)", "--org (CLIENT_ORG)"},
		"clients list":                                          {"--file (CLIENTS_FILE)"},
		"clients rotate --grace -1s":                            {"--file (CLIENTS_FILE)", "--id (CLIENT_ID)", "--grace (CLIENT_GRACE)"},
		"clients remove":                                        {"--file (CLIENTS_FILE)", "--id (CLIENT_ID)"},
		"clients token-key":                                     {"--file (TOKEN_KEY_FILE)"},
		"dev --listen x --kafka-listen :0 --log-level all":      {"--listen (LISTEN)", "--kafka-listen (KAFKA_LISTEN)", "--log-level (LOG_LEVEL)"},
		"simulate --rate 0 --users 0 --boards 0 --skew 1":       {"--rate (SIMULATE_RATE)", "--users (SIMULATE_USERS)", "--boards (SIMULATE_BOARDS)", "--skew (SIMULATE_SKEW)"},
		"simulate --count=-1 --org 1 --apply-catalog":           {"--count (SIMULATE_COUNT)", "--org (SIMULATE_ORG)"},
		"healthcheck --timeout 0s":                              {"--url (HEALTHCHECK_URL)", "--timeout (HEALTHCHECK_TIMEOUT)"},
		"status --every 0s --kafka-group= --redis-addrs x":      {"--every (STATUS_EVERY)", "--kafka-group (KAFKA_GROUP)", "--redis-addrs (REDIS_ADDRS)"},
		"topics create --partitions=-1 --replication-factor=-1": {"--partitions (TOPICS_PARTITIONS)", "--replication-factor (TOPICS_REPLICATION_FACTOR)"},
		"completion tcsh":                                       {"bash", "zsh", "fish"},
		"dev --frob":                                            {"--frob"},
		"catalog":                                               {"apply"},
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

func TestUnreachableBrokerIsNamedByItsSetting(t *testing.T) {
	file := writeFile(t, "a.jsonl", `{"orgId":1,"userId":2}`)
	// Nothing listens at the discard port of the loopback.
	code, _, words := invoke(t, "", "publish", "-f", file, "--kafka-brokers", "127.0.0.1:9")
	if code != daemon.ExitFailure || !strings.Contains(words, "--kafka-brokers (KAFKA_BROKERS)") || strings.Count(words, "\n") != 1 {
		t.Errorf("code %d, words %q", code, words)
	}
}

func TestPublishSaysHowFarItCame(t *testing.T) {
	broker := startBroker(t)
	lines := "{\"orgId\":1,\"userId\":2}\n{\"orgId\":1,\"userId\":3}\n"
	code, out, words := invoke(t, lines, "publish", "-f", "-", "--kafka-brokers", broker)
	if code != daemon.ExitOK || !strings.HasPrefix(out, "2 activities published to leaderboard.activities in ") || words != "" {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	code, out, words = invoke(t, lines+"{}\n"+lines, "publish", "-f", "-", "--kafka-brokers", broker)
	if code != daemon.ExitFailure || !strings.HasPrefix(out, "2 activities published") || !strings.Contains(words, "stopped after 2 activities: line 3: ") {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	code, out, _ = invoke(t, `{"orgId":1,"userId":2,"attributes":{}}`, "profiles", "publish", "-f", "-", "--kafka-brokers", broker)
	if code != daemon.ExitOK || !strings.HasPrefix(out, "1 profiles published to leaderboard.profiles in ") {
		t.Errorf("code %d, out %q", code, out)
	}
}

func TestCatalogThatIsShownCanBeApplied(t *testing.T) {
	broker := startBroker(t)
	file := writeFile(t, "catalog.yaml", `
orgs: [{orgId: 5, name: "on", timeZone: Asia/Kolkata, enrichment: [gender]}]
targetGroups:
  - targetGroupId: 50
    orgId: 5
    name: "0123"
    periods: [{periodId: 1, refCode: p, start: 2022-11-01T00:00:00+05:30, end: 2022-12-01T00:00:00+05:30}]
    targets: [{targetRuleId: 1, name: t, aggregate: min, order: asc}]
`)
	catalog := func(args ...string) string {
		t.Helper()
		code, out, words := invoke(t, "", append([]string{"catalog"}, append(args, "--kafka-brokers", broker)...)...)
		if code != daemon.ExitOK {
			t.Fatalf("catalog %v: code %d, %s", args, code, words)
		}
		return out
	}
	if out := catalog("apply", "-f", file); out != "org:5 created\ngroup:5:50 created\n" {
		t.Errorf("applied: %q", out)
	}
	for _, shown := range []string{catalog("show"), catalog("show", "--json")} {
		if out := catalog("apply", "-f", writeFile(t, "shown", shown)); out != "org:5 unchanged\ngroup:5:50 unchanged\n" {
			t.Errorf("applied again: %q", out)
		}
	}
	if shown := catalog("show", "--json"); !json.Valid([]byte(shown)) {
		t.Errorf("not JSON: %s", shown)
	}
}

func TestClientsAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	code, out, words := invoke(t, "", "clients", "add", "--file", path, "--id", "a", "--org", "5", "--secret", "s3cret", "--access", "top")
	if code != daemon.ExitOK || strings.Contains(out+words, "s3cret") {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	code, out, _ = invoke(t, "", "clients", "add", "--file", path, "--id", "b", "--org", "6")
	_, secret, printed := strings.Cut(out, "shown this once: ")
	if code != daemon.ExitOK || !printed || len(strings.TrimSpace(secret)) < 20 {
		t.Errorf("code %d, out %q", code, out)
	}
	if code, _, words := invoke(t, "", "clients", "add", "--file", path, "--id", "a", "--org", "5"); code != daemon.ExitFailure || !strings.Contains(words, `"a"`) {
		t.Errorf("a known id: code %d, words %q", code, words)
	}
	if _, err := auth.LoadClients(path); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "s3cret") || strings.Contains(string(text), strings.TrimSpace(secret)) {
		t.Errorf("the file holds a secret, or cannot be read: %v", err)
	}
}

func TestClientsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	clients := func(want int, args ...string) (out, words string) {
		t.Helper()
		code, out, words := invoke(t, "", append(append([]string{"clients"}, args...), "--file", path)...)
		if code != want {
			t.Errorf("clients %v: code %d, words %q", args, code, words)
		}
		return out, words
	}
	clients(daemon.ExitFailure, "list")
	clients(daemon.ExitOK, "add", "--id", "a", "--org", "5", "--secret", "s3cret", "--access", "top,rank")
	clients(daemon.ExitOK, "add", "--id", "b", "--org", "6")
	if out, _ := clients(daemon.ExitOK, "list"); !regexp.MustCompile(`^ID .*\na +5 +top,rank +-\nb +6 +top,rank,enrichment +-\n$`).MatchString(out) {
		t.Errorf("listed: %q", out)
	}
	out, _ := clients(daemon.ExitOK, "rotate", "--id", "a", "--grace", "1h")
	_, secret, printed := strings.Cut(out, "shown this once: ")
	if !printed || len(strings.TrimSpace(secret)) < 20 || !strings.Contains(out, "is accepted until 2") {
		t.Errorf("rotated: %q", out)
	}
	out, _ = clients(daemon.ExitOK, "list", "--json")
	if strings.Contains(strings.ToLower(out), "hash") || strings.Contains(out, "$2") || strings.Count(out, `"previousSecretExpires"`) != 1 || !json.Valid([]byte(out)) {
		t.Errorf("listed: %s", out)
	}
	if out, _ = clients(daemon.ExitOK, "rotate", "--id", "a", "--grace", "0s", "--secret", "0ther"); strings.Contains(out, "0ther") || !strings.Contains(out, "is not accepted any more") {
		t.Errorf("rotated at once: %q", out)
	}
	if out, _ := clients(daemon.ExitOK, "list", "--json"); strings.Contains(out, `"previousSecretExpires"`) {
		t.Errorf("listed: %s", out)
	}
	clients(daemon.ExitOK, "remove", "--id", "a")
	for _, command := range []string{"remove", "rotate"} {
		if _, words := clients(daemon.ExitFailure, command, "--id", "a"); !strings.Contains(words, `there is no client "a"`) {
			t.Errorf("%s again: %q", command, words)
		}
	}
	if out, _ := clients(daemon.ExitOK, "list"); strings.Contains(out, "\na ") || !strings.Contains(out, "\nb ") {
		t.Errorf("left are %q", out)
	}
}

func TestTokenKeyIsMadeAndRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token-key.pem")
	var signed []string
	for i := range 3 {
		code, out, words := invoke(t, "", "clients", "token-key", "--file", path)
		keys := regexp.MustCompile(`key ([\w-]{43}) `).FindAllStringSubmatch(out, -1)
		if code != daemon.ExitOK || len(keys) != min(i+1, 2) || (i > 0 && keys[1][1] != signed[i-1]) {
			t.Fatalf("run %d: code %d, out %q, words %q", i, code, out, words)
		}
		signed = append(signed, keys[0][1])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	broken := writeFile(t, "broken.pem", "x")
	if code, _, words := invoke(t, "", "clients", "token-key", "--file", broken); code != daemon.ExitFailure || !strings.Contains(words, "--file (TOKEN_KEY_FILE): ") {
		t.Errorf("a broken file: code %d, words %q", code, words)
	}
}

func TestHelpWithoutArguments(t *testing.T) {
	code, out, _ := invoke(t, "")
	for _, name := range []string{"dev", "publish", "catalog apply", "catalog show", "profiles publish", "clients add", "simulate", "healthcheck", "status", "topics create", "completion"} {
		if code != daemon.ExitOK || !strings.Contains(out, name) {
			t.Errorf("code %d, %q is not in the help", code, name)
		}
	}
}
