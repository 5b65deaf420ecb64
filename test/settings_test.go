package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// sesame is the password that the programs are given by the environment.
const sesame = "open-sesame-8731"

// saslUser gives a program the password.
var saslUser = []string{"KAFKA_SASL_MECHANISM=plain", "KAFKA_SASL_USER=operator", "KAFKA_SASL_PASSWORD=" + sesame}

func TestWrongSettings(t *testing.T) {
	dir := t.TempDir()
	absent, broken, file := filepath.Join(dir, "absent"), filepath.Join(dir, "broken"), filepath.Join(dir, "file")
	writeFile(t, broken, `{"clients": [{"id":`)
	writeFile(t, file, "{}\n")
	for _, c := range []struct {
		command string
		env     []string
		words   []string
	}{
		{"query --request-timeout soon --clients-file " + file, nil, []string{"--request-timeout (REQUEST_TIMEOUT): ", `"soon"`}},
		{
			"projector --shards 0 --kafka-group= --admin here --kafka-brokers x --redis-db=-1 --log-level loud --sync-interval never", saslUser[1:],
			[]string{
				"--shards (SHARDS): ", "--kafka-group (KAFKA_GROUP): ", "--admin (ADMIN_LISTEN): ", "--kafka-brokers (KAFKA_BROKERS): ",
				"--redis-db (REDIS_DB): ", "--log-level (LOG_LEVEL): ", "--sync-interval (SYNC_INTERVAL): ", "--kafka-sasl-mechanism (KAFKA_SASL_MECHANISM): ",
			},
		},
		{
			"query",
			[]string{"RATE_LIMIT=-1", "LISTEN=8080", "REDIS_ADDRS=redis", "SHUTDOWN_TIMEOUT=0s", "REDIS_SENTINEL_PASSWORD=" + sesame},
			[]string{
				"--rate-limit (RATE_LIMIT): ", "--listen (LISTEN): ", "--redis-addrs (REDIS_ADDRS): ", "--shutdown-timeout (SHUTDOWN_TIMEOUT): ",
				"--redis-sentinel-master (REDIS_SENTINEL_MASTER): ", "--clients-file (CLIENTS_FILE): ",
			},
		},
		{
			"leaderboard dev --catalog " + absent + " --profiles " + absent + " --activities " + dir + " --kafka-listen :0",
			[]string{"LISTEN=80a"},
			[]string{
				"--catalog (CATALOG_FILE): ", "--profiles (PROFILES_FILE): ", "--activities (ACTIVITIES_FILE): ", "--kafka-listen (KAFKA_LISTEN): ",
				"--listen (LISTEN): ", absent, dir,
			},
		},
		{"leaderboard publish --rate often", nil, []string{"--rate (PUBLISH_RATE): ", "--file (ACTIVITIES_FILE): "}},
		{"leaderboard clients add --org none", []string{"CLIENT_SECRET=" + sesame}, []string{"--org (CLIENT_ORG): ", "--id (CLIENT_ID): ", "--file (CLIENTS_FILE): "}},
		{"projector --frob", nil, []string{"--frob"}},
		{"query --frob", nil, []string{"--frob"}},
		{"leaderboard dev --frob", nil, []string{"--frob"}},
		{"leaderboard frob", nil, []string{"frob"}},
		{"query --clients-file " + absent, nil, []string{"--clients-file (CLIENTS_FILE): ", absent}},
		{"query --clients-file " + broken, nil, []string{"--clients-file (CLIENTS_FILE): ", broken}},
		{
			"query --clients-file " + file + " --token-key-file " + broken + " --issuers-file " + broken + " --trusted-proxies 10.0.0.0/8,proxy --forwarded-header Via", nil,
			[]string{"--token-key-file (TOKEN_KEY_FILE): ", "--issuers-file (ISSUERS_FILE): ", "--trusted-proxies (TRUSTED_PROXIES): ", `"proxy"`, "--forwarded-header (FORWARDED_HEADER): ", broken},
		},
		{"leaderboard clients rotate --grace soon", nil, []string{"--grace (CLIENT_GRACE): ", "--id (CLIENT_ID): ", "--file (CLIENTS_FILE): "}},
		{"leaderboard dev", []string{"CLIENTS_FILE=" + absent}, []string{"--clients-file (CLIENTS_FILE): ", absent}},
		{"leaderboard dev --clients-file " + broken, nil, []string{"--clients-file (CLIENTS_FILE): ", broken}},
	} {
		t.Run(c.command, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(c.command)
			runProgram(t, c.env, "", args[0], args[1:]...).expect(2, append(c.words, args[0]+" --help")...)
		})
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	file, broken, clients := filepath.Join(dir, "file"), filepath.Join(dir, "broken"), filepath.Join(dir, "clients.json")
	writeFile(t, file, "{\"orgId\":1,\"userId\":2}\n")
	writeFile(t, broken, `{"clients": [{"id":`)
	programs.Run(t, "clients", "add", "--file", clients, "--id", "a", "--org", "1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	free := []string{"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "REDIS_PASSWORD=" + sesame}
	brokers := []string{"--kafka-brokers (KAFKA_BROKERS)", unusedAddress}

	t.Run("all", func(t *testing.T) { // ends when its parallel parts have, before the address is given up
		for _, c := range []struct {
			command string
			env     []string
			words   []string
		}{
			{"leaderboard publish -f " + file + " --kafka-brokers " + unusedAddress, saslUser, brokers},
			{"leaderboard profiles publish -f " + file, append([]string{"KAFKA_BROKERS=" + unusedAddress}, saslUser...), brokers},
			{"leaderboard catalog show --kafka-brokers " + unusedAddress, saslUser, brokers},
			{"leaderboard catalog apply --kafka-brokers " + unusedAddress, append([]string{"CATALOG_FILE=../deploy/example/catalog.yaml"}, saslUser...), brokers},
			{"leaderboard clients add --id a --org 1 --file " + broken, []string{"CLIENT_SECRET=" + sesame}, []string{"--file (CLIENTS_FILE): ", broken}},
			{"query --listen " + at + " --clients-file " + clients, free, []string{"--listen (LISTEN)", at}},
			{"query --admin " + at + " --clients-file " + clients, free, []string{"--admin (ADMIN_LISTEN)", at}},
			{"projector --admin " + at, append(free, saslUser...), []string{"--admin (ADMIN_LISTEN)", at}},
			{"leaderboard dev --listen " + at, free, []string{"--listen (LISTEN)", at}},
			{"leaderboard dev --admin " + at, free, []string{"--admin (ADMIN_LISTEN)", at}},
			{"leaderboard dev --kafka-listen " + at, free, []string{"--kafka-listen (KAFKA_LISTEN)", at}},
			{"leaderboard dev --data " + file, free, []string{"--data", file}},
		} {
			t.Run(c.command, func(t *testing.T) {
				t.Parallel()
				args := strings.Fields(c.command)
				o := runProgram(t, c.env, "", args[0], args[1:]...)
				o.expect(1, c.words...)
				if sentences := slices.DeleteFunc(strings.Split(strings.TrimSpace(o.words), "\n"), isLogLine); len(sentences) != 1 {
					t.Errorf("it takes more than a line to say so: %q", sentences)
				}
			})
		}
	})
}

// unusedAddress is the discard port, where nothing listens.
const unusedAddress = "127.0.0.1:9"

func isLogLine(line string) bool { return strings.HasPrefix(line, "time=") }

// flagEntry is a flag in the help, with all that is said of it.
var flagEntry = regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?--([a-z-]+).*(?:\n {20,}.*)*`)

func TestHelpAndVersion(t *testing.T) {
	brokers := []string{"kafka-brokers KAFKA_BROKERS", "kafka-sasl-password KAFKA_SASL_PASSWORD", "kafka-tls KAFKA_TLS"}
	store := []string{"redis-addrs REDIS_ADDRS", "redis-password REDIS_PASSWORD", "redis-tls REDIS_TLS"}
	for command, want := range map[string][]string{
		"projector": slices.Concat(brokers, store, []string{"kafka-group KAFKA_GROUP", "admin ADMIN_LISTEN"}),
		"query":     slices.Concat(store, []string{"listen LISTEN", "admin ADMIN_LISTEN", "clients-file CLIENTS_FILE", "token-key-file TOKEN_KEY_FILE", "issuers-file ISSUERS_FILE", "trusted-proxies TRUSTED_PROXIES", "forwarded-header FORWARDED_HEADER", "page PAGE", "max-streams MAX_STREAMS"}),
		"leaderboard dev": {
			"listen LISTEN", "admin ADMIN_LISTEN", "kafka-listen KAFKA_LISTEN", "data DATA_DIR", "catalog CATALOG_FILE", "profiles PROFILES_FILE",
			"activities ACTIVITIES_FILE", "simulate SIMULATE", "clients-file CLIENTS_FILE", "page PAGE",
		},
		"leaderboard publish":           slices.Concat(brokers, []string{"file ACTIVITIES_FILE", "rate PUBLISH_RATE"}),
		"leaderboard simulate":          slices.Concat(brokers, []string{"rate SIMULATE_RATE", "users SIMULATE_USERS", "skew SIMULATE_SKEW", "apply-catalog SIMULATE_APPLY_CATALOG"}),
		"leaderboard catalog apply":     slices.Concat(brokers, []string{"file CATALOG_FILE"}),
		"leaderboard catalog show":      slices.Concat(brokers, []string{"json CATALOG_JSON"}),
		"leaderboard profiles publish":  slices.Concat(brokers, []string{"file PROFILES_FILE"}),
		"leaderboard clients add":       {"file CLIENTS_FILE", "id CLIENT_ID", "org CLIENT_ORG", "secret CLIENT_SECRET"},
		"leaderboard clients rotate":    {"file CLIENTS_FILE", "id CLIENT_ID", "secret CLIENT_SECRET", "grace CLIENT_GRACE"},
		"leaderboard clients token-key": {"file TOKEN_KEY_FILE"},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(command)
			help := runProgram(t, append([]string{"CLIENT_SECRET=" + sesame, "REDIS_PASSWORD=" + sesame}, saslUser...), "", args[0], append(args[1:], "--help")...)
			help.expect(0)
			var listed []string
			for _, entry := range flagEntry.FindAllStringSubmatch(help.out, -1) {
				_, variable, found := strings.Cut(entry[0], "($")
				variable, _, _ = strings.Cut(variable, ")")
				if !found && entry[1] != "help" && entry[1] != "version" {
					t.Errorf("--%s has no environment variable in\n%s", entry[1], help.out)
				}
				listed = append(listed, entry[1]+" "+variable)
			}
			for _, flag := range want {
				if !slices.Contains(listed, flag) {
					t.Errorf("%s is not among the flags %q", flag, listed)
				}
			}
			version := runProgram(t, nil, "", args[0], "--version")
			version.expect(0)
			if !regexp.MustCompile(`^` + args[0] + ` \S+\n$`).MatchString(version.out) {
				t.Errorf("the version is %q", version.out)
			}
		})
	}
}

// mistakenCatalog has six mistakes; its second organisation has none.
const mistakenCatalog = `
orgs:
  - {orgId: 1, name: One, timeZone: Mars/Olympus, parentOrgId: 99}
  - {orgId: 2, name: Two, timeZone: UTC}
targetGroups:
  - targetGroupId: 10
    orgId: 1
    name: Ten
    colour: red
    periods:
      - {periodId: 1, refCode: p, start: "2022-11-01T00:00:00Z", end: "2022-12-01T00:00:00Z"}
      - {periodId: 2, refCode: q, start: "2022-11-30T00:00:00Z", end: "2023-01-01T00:00:00Z"}
    targets: [{targetRuleId: 7, name: t, aggregate: median}]
  - {targetGroupId: 10, orgId: 2, name: Ten again, periods: [], targets: []}
`

// plainCatalog names every field, in the order of what `catalog show` prints.
const plainCatalog = `{
  "orgs": [
    {"orgId": 1, "name": "0x1", "timeZone": "Asia/Kolkata", "leaderboardsEnabled": true},
    {"orgId": 2, "name": "yes: \"two\"", "timeZone": "America/New_York", "leaderboardsEnabled": false, "parentOrgId": 1, "enrichment": ["gender", "null"]}
  ],
  "targetGroups": [
    {"targetGroupId": 10, "orgId": 1, "name": "Ten", "active": true, "leaderboardEnabled": false,
      "periods": [{"periodId": 1, "refCode": "p", "start": "2022-11-01T00:00:00+05:30", "end": "2022-12-01T00:00:00Z"}],
      "targets": [{"targetRuleId": 7, "name": "t", "aggregate": "min", "order": "asc"}, {"targetRuleId": 8, "name": "~", "aggregate": "latest", "order": "desc"}]},
    {"targetGroupId": 20, "orgId": 2, "name": "", "active": false, "leaderboardEnabled": true, "periods": [], "targets": []}
  ]
}`

func TestCatalogAppliedAndShown(t *testing.T) {
	dir, brokers := t.TempDir(), strings.Join(servers.Kafka(t), ",")
	here, elsewhere := servers.Topics(t), servers.Topics(t)
	catalog := func(topics string, args ...string) outcome {
		return runProgram(t, []string{"KAFKA_BROKERS=" + brokers}, "", "leaderboard", slices.Concat([]string{"catalog"}, args, topicFlags(topics))...)
	}
	apply := func(topics, text, kind string) {
		t.Helper()
		file := filepath.Join(dir, "catalog")
		writeFile(t, file, text)
		o := catalog(topics, "apply", "-f", file)
		o.expect(0)
		if want := fmt.Sprintf("org:1 %[1]s\norg:2 %[1]s\ngroup:1:10 %[1]s\ngroup:2:20 %[1]s\n", kind); o.out != want {
			t.Errorf("apply says %q, want %q", o.out, want)
		}
	}
	expectShown := func(topics string, want any) {
		t.Helper()
		o := catalog(topics, "show", "--json")
		o.expect(0)
		if got := parseJSON(t, o.out); !reflect.DeepEqual(got, want) {
			t.Errorf("the catalog is\n%v, want\n%v", got, want)
		}
	}
	mistaken := filepath.Join(dir, "mistaken")
	writeFile(t, mistaken, mistakenCatalog)
	catalog(here, "apply", "-f", mistaken).expect(1, mistaken, `"Mars/Olympus"`, "parentOrgId 99", "colour", `"median"`, "periods 1 and 2 overlap", "of org 1 and of org 2")
	if n := recordCount(t, servers.Kafka(t)[0], here+"catalog"); n != 0 {
		t.Errorf("%d records of a catalog with mistakes were written", n)
	}

	apply(here, plainCatalog, "created")
	expectShown(here, parseJSON(t, plainCatalog))
	yaml := catalog(here, "show")
	yaml.expect(0)
	apply(here, yaml.out, "unchanged")
	apply(here, plainCatalog, "unchanged")
	if n := recordCount(t, servers.Kafka(t)[0], here+"catalog"); n != 4 {
		t.Errorf("the catalog topic has %d records, want one for each object", n)
	}
	apply(elsewhere, yaml.out, "created")
	expectShown(elsewhere, parseJSON(t, plainCatalog))
}

func parseJSON(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return value
}

func TestPublishEndsEarly(t *testing.T) {
	broker, topics := servers.Kafka(t)[0], servers.Topics(t)
	args := append(topicFlags(topics), "--kafka-brokers", broker, "-f", "-")
	const good = `{"orgId":1,"userId":2}` + "\n"
	o := runProgram(t, nil, good+good+"no activity\n"+good, "leaderboard", append([]string{"publish"}, args...)...)
	o.expect(1, "2 activities published", "stopped after 2 activities: line 3: ")
	if n := recordCount(t, broker, topics+"activities"); n != 2 {
		t.Errorf("the log has %d records, want those before the bad line", n)
	}
	o = runProgram(t, nil, `{"orgId":1}`+"\n", "leaderboard", append([]string{"profiles", "publish"}, args...)...)
	o.expect(1, "0 profiles published", "stopped after 0 profiles: line 1: ")

	// Its input stays open and silent, as a terminal does.
	publish := exec.Command(programs.Path(t, "leaderboard"), append([]string{"publish"}, args...)...)
	var words bytes.Buffer
	publish.Stderr = &words
	input, err := publish.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	if err := publish.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = publish.Process.Kill() })
	if _, err := io.WriteString(input, good); err != nil {
		t.Fatal(err)
	}
	programs.Await(t, "the line that was typed", func() error {
		if n := recordCount(t, broker, topics+"activities"); n != 3 {
			return fmt.Errorf("the log has %d records", n)
		}
		return nil
	})
	if err := publish.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = publish.Wait()
	if code := publish.ProcessState.ExitCode(); code != 1 || words.String() != "leaderboard: interrupted after 1 activities\n" {
		t.Errorf("after one SIGINT: code %d, words %q", code, words.String())
	}
}

func TestClientsAdded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.json")
	add := func(env []string, args ...string) outcome {
		return runProgram(t, append([]string{"CLIENTS_FILE=" + file}, env...), "", "leaderboard", append([]string{"clients", "add"}, args...)...)
	}
	o := add([]string{"CLIENT_SECRET=" + sesame}, "--id", "given", "--org", "50711")
	o.expect(0)
	o = add(nil, "--id", "made", "--org", "50712")
	o.expect(0)
	_, secret, _ := strings.Cut(strings.TrimSpace(o.out), "shown this once: ")
	if len(secret) < 20 || strings.Count(o.out, secret) != 1 {
		t.Errorf("it does not show a secret, or not once: %q", o.out)
	}
	before := readFile(t, file)
	for _, s := range []string{sesame, secret} {
		if strings.Contains(before, s) {
			t.Errorf("the secret %q is in the file:\n%s", s, before)
		}
	}
	if hashes := regexp.MustCompile(`"secretHash": "\$2[aby]\$`).FindAllString(before, -1); len(hashes) != 2 {
		t.Errorf("the file has %d hashes, want 2:\n%s", len(hashes), before)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the file: %v %v", info.Mode(), err)
	}
	o = add(nil, "--id", "given", "--org", "50713")
	o.expect(1, `"given"`)
	if o.out != "" || readFile(t, file) != before {
		t.Errorf("an id that is taken changes the file, or shows %q", o.out)
	}

	store := servers.RedisServer(t)
	client := redis.NewClient(&redis.Options{Addr: store.Addr()})
	defer client.Close()
	seed := &seeder{t: t, redis: client}
	seed.meta()
	seed.catalog(queryCatalog)
	query := programs.Start(t, "query", "--clients-file", file, "--redis-addrs", store.Addr())
	for id, secret := range map[string]string{"given": sesame, "made": secret} {
		var answer rankAnswer
		if err := newAPI(t, query.API(), id, secret).ask("/v3.1/leaderboards/user/1", "", &answer); err != nil {
			t.Error(err)
		}
	}
}

// outcome is how the run of a program ended.
type outcome struct {
	t          *testing.T
	code       int
	out, words string // what it wrote to stdout and to stderr
}

// runProgram runs a program to its end, with PATH and those environment variables
// and no others. Whatever it says, it is no stack trace, and holds no password.
func runProgram(t *testing.T, env []string, stdin, name string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programs.ReadyLimit)
	defer cancel()
	command := exec.CommandContext(ctx, programs.Path(t, name), args...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	command.Stdin = strings.NewReader(stdin)
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	err := command.Run()
	if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, &out, &words)
	}
	o := outcome{t: t, code: command.ProcessState.ExitCode(), out: out.String(), words: words.String()}
	for _, never := range []string{"goroutine ", sesame} {
		if strings.Contains(o.out+o.words, never) {
			t.Errorf("%s %v says %q:\n%s%s", name, args, never, o.out, o.words)
		}
	}
	return o
}

// expect requires the exit code, and what has to be said somewhere.
func (o outcome) expect(code int, words ...string) {
	o.t.Helper()
	if o.code != code {
		o.t.Errorf("the exit code is %d, want %d:\n%s%s", o.code, code, o.out, o.words)
	}
	for _, part := range words {
		if !strings.Contains(o.out+o.words, part) {
			o.t.Errorf("%q is not in\n%s%s", part, o.out, o.words)
		}
	}
}
