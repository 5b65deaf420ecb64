package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"leaderboard/test/programs"
)

// TestCompletion lets bash complete command lines as it does when a user presses the
// tabulator.
func TestCompletion(t *testing.T) {
	bin := filepath.Dir(programs.Path(t, "leaderboard"))
	lines := [][2]string{
		{"leaderboard cata\tsh\t--js\t", "leaderboard catalog show --json"},
		{"leaderboard generations pro\t--fo\t", "leaderboard generations promote --force"},
		{"leaderboard completion fi\t", "leaderboard completion fish"},
		{"leaderboard publish -f " + bin + "/que\t", "leaderboard publish -f " + bin + "/query"},
		{"projector --redis-sentinel-m\t", "projector --redis-sentinel-master"},
		{"query --clients-f\t", "query --clients-file"},
	}
	typed := "source <(leaderboard completion bash)\n"
	for _, line := range lines {
		const toTheStart = "\x01"
		typed += line[0] + toTheStart + "echo completed: \n"
	}
	session := exec.Command("bash", "--norc", "--noprofile", "-i")
	session.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TERM=dumb", "HOME=" + t.TempDir()}
	session.Stdin = strings.NewReader(typed)
	output, err := session.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if !strings.Contains("\n"+string(output), "\ncompleted: "+line[1]+"\n") {
			t.Errorf("%q does not become %q in\n%s", line[0], line[1], output)
		}
	}
}
