package test

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jsonCommand is a command of bin/leaderboard, and a field that its JSON has.
type jsonCommand struct{ command, field string }

// TestEveryCommandPrintsJSON runs each command with --json on real servers: what it
// writes to standard output is one JSON object and nothing else.
func TestEveryCommandPrintsJSON(t *testing.T) {
	d := madeUpPurchases(t)
	s := startServices(t, d)
	second := s.launchGeneration(2)
	second.AwaitReady()
	dir := t.TempDir()
	profiles, nonsense, clients, key := filepath.Join(dir, "profiles.jsonl"), filepath.Join(dir, "nonsense.jsonl"), filepath.Join(dir, "clients.json"), filepath.Join(dir, "key.pem")
	writeFile(t, profiles, `{"orgId":7002,"userId":5,"attributes":{"first_name":"Tom"}}`+"\n")
	writeFile(t, nonsense, strings.Repeat(`{"orgId":7002,"userId":5,"targetGroupId":999,"targetRuleId":1,"activityTime":"2024-01-02T00:00:00Z"}`+"\n", 3))
	snapshot := snapshotURL(t)

	tested := []string{}
	run := func(commands ...jsonCommand) {
		t.Helper()
		for _, c := range commands {
			tested = append(tested, s.expectJSON(c))
		}
	}
	run(
		jsonCommand{"topics create --kafka", "topics"},
		jsonCommand{"catalog apply --kafka -f " + d.catalog, "changes"},
		jsonCommand{"catalog show --kafka", "targetGroups"},
		jsonCommand{"publish --kafka -f " + d.activities, "activities"},
		jsonCommand{"publish --kafka -f " + nonsense, "activities"},
		jsonCommand{"profiles publish --kafka -f " + profiles, "profiles"},
	)
	s.awaitHandled(d.records + 3)
	letters := func() (ids []string) {
		var list struct{ DeadLetters []struct{ Letter string } }
		if err := json.Unmarshal([]byte(s.operate("deadletters list --json")), &list); err != nil {
			t.Fatal(err)
		}
		for _, l := range list.DeadLetters {
			ids = append(ids, l.Letter)
		}
		return ids
	}()
	if len(letters) != 3 {
		t.Fatalf("the dead letters are %v", letters)
	}
	run(
		jsonCommand{"status --kafka --redis --kafka-group " + s.topics, "problems"},
		jsonCommand{"verify --kafka --redis", "boards"},
		jsonCommand{"export --kafka --redis --org 7002 --user 5", "profile"},
		jsonCommand{"deadletters list --kafka", "deadLetters"},
		jsonCommand{"deadletters show --kafka " + letters[0], "reason"},
		jsonCommand{"deadletters replay --kafka " + letters[1], "deadLetters"},
		jsonCommand{"deadletters discard --kafka " + letters[2], "byReason"},
		jsonCommand{"erase --kafka --org 7002 --user 6", "topic"},
		jsonCommand{"simulate --kafka --apply-catalog --count 20 --rate 1000", "seconds"},
		jsonCommand{"snapshot create --redis --to " + snapshot, "entries"},
		jsonCommand{"snapshot restore --kafka --redis --generation 3 --from " + snapshot, "restoredInto"},
		jsonCommand{"generations list --kafka --redis", "generations"},
		jsonCommand{"generations promote --kafka --redis --wait 1m 2", "readBefore"},
		jsonCommand{"generations drop --redis --grace 0s 3", "dropped"},
		jsonCommand{"clients add --file " + clients + " --id a --org 1", "secret"},
		jsonCommand{"clients list --file " + clients, "clients"},
		jsonCommand{"clients rotate --file " + clients + " --id a", "previousSecretExpires"},
		jsonCommand{"clients remove --file " + clients + " --id a", "id"},
		jsonCommand{"clients token-key --file " + key, "signs"},
		jsonCommand{"healthcheck --url " + s.query.Admin() + "/readyz", "answer"},
	)
	help := runProgram(t, nil, "", "leaderboard", "--help")
	for _, command := range submatches(`(?m)^  ([a-z]+(?: [a-z-]+)?)(?: +<.*?| +\[.*?)? {2,}`, help.out) {
		// dev and completion print for a terminal and a shell.
		if !slices.Contains(tested, command) && command != "dev" && command != "completion" {
			t.Errorf("%s is not tested", command)
		}
	}
	second.Stop()
}

// commandName is how a command begins.
var commandName = regexp.MustCompile(`^[a-z]+( [a-z][a-z-]*)?`)

// expectJSON runs a command, in which --kafka and --redis stand for the flags of the
// servers, and gives its name.
func (s *services) expectJSON(c jsonCommand) string {
	t := s.t
	t.Helper()
	var args []string
	for _, word := range strings.Fields(c.command) {
		switch word {
		case "--kafka":
			args = append(args, s.kafkaFlags()...)
		case "--redis":
			args = append(args, "--redis-addrs", s.redis)
		default:
			args = append(args, word)
		}
	}
	o := runProgram(t, nil, "", "leaderboard", append(args, "--json")...)
	// The status has dead letters to tell of.
	if isStatus := strings.HasPrefix(c.command, "status "); o.code != 0 && !isStatus || o.words != "" && !isStatus {
		t.Errorf("leaderboard %s ends with %d and says %s", c.command, o.code, o.words)
	}
	decoder := json.NewDecoder(strings.NewReader(o.out))
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Errorf("leaderboard %s: %v in\n%s", c.command, err, o.out)
	}
	if _, there := object[c.field]; !there {
		t.Errorf("leaderboard %s does not tell %s:\n%s", c.command, c.field, o.out)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Errorf("leaderboard %s prints more than JSON:\n%s", c.command, o.out)
	}
	return strings.TrimSpace(commandName.FindString(c.command))
}
