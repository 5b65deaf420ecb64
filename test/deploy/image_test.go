package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"leaderboard/test/programs"
)

// docker runs a command of the Docker client and gives what it says. Code is that of
// the command, or of the program in the container.
func docker(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
	exit := new(exec.ExitError)
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("docker %v: %v", args, err)
	}
	if err != nil {
		code = exit.ExitCode()
	}
	return strings.TrimSpace(string(output)), code
}

const imageVersion = "v1.2.3-test"

// buildImage builds the image of the programs as make image does, and takes it away
// when the test has ended. Without a Docker engine the test is skipped.
func buildImage(t *testing.T) (image string) {
	t.Helper()
	if exec.Command("docker", "version").Run() != nil {
		t.Skip("no Docker engine answers")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	context := t.TempDir()
	if err := os.Symlink(filepath.Dir(programs.Path(t, "query")), filepath.Join(context, "programs")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(context, "bin"), os.DirFS(filepath.Join(context, "programs"))); err != nil {
		t.Fatal(err)
	}
	image = "leaderboard-test:" + uuid.NewString()
	out, code := docker(t, "build", "--file", filepath.Join(root, "deploy", "Dockerfile"), "--target", "prebuilt",
		"--build-arg", "VERSION="+imageVersion, "--tag", image, context)
	if code != 0 {
		t.Fatalf("docker build: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "--force", image).Run() })
	return image
}

// confined is how every container is run: the way that the composition and the chart do.
func confined(image string, command ...string) []string {
	return append([]string{"--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image}, command...)
}

func TestImage(t *testing.T) {
	image := buildImage(t)
	for _, program := range []string{"projector", "query", "leaderboard"} {
		out, code := docker(t, append([]string{"run", "--rm"}, confined(image, program, "--version")...)...)
		if code != 0 || !strings.HasPrefix(out, program+" ") {
			t.Errorf("%s ends with code %d and says %q", program, code, out)
		}
	}
	text, _ := docker(t, "image", "inspect", "--format", "{{json .Config}}", image)
	var config struct {
		User   string
		Labels map[string]string
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if config.User != "65532:65532" || config.Labels["org.opencontainers.image.version"] != imageVersion {
		t.Errorf("the image is %+v", config)
	}
	out, code := docker(t, "run", "--rm", "--network", "none", image, "leaderboard", "clients", "add", "--file", "/bin/clients.json", "--id", "a", "--org", "1")
	if code != 1 || !strings.Contains(out, "permission denied") {
		t.Errorf("writing to the image ends with code %d and says %q", code, out)
	}
}

// TestQueryInItsContainer starts the query service as the composition does. There is
// no Redis, so it is alive and not ready.
func TestQueryInItsContainer(t *testing.T) {
	image := buildImage(t)
	clients, err := filepath.Abs(filepath.Join("..", "..", "deploy", "demo", "clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	id, code := docker(t, append([]string{
		"run", "--detach", "--volume", clients + ":/run/secrets/clients.json:ro", "--env", "CLIENTS_FILE=/run/secrets/clients.json",
	}, confined(image, "query")...)...)
	if code != 0 {
		t.Fatalf("docker run: %s", id)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "--force", id).Run() })
	check := func(port int, path string) (string, int) {
		return docker(t, "exec", id, "leaderboard", "healthcheck", "--url", fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	}
	programs.Await(t, "the query service to be alive", func() error {
		if out, code := check(8081, "/healthz"); code != 0 {
			return fmt.Errorf("code %d, %s", code, out)
		}
		return nil
	})
	if out, code := check(8081, "/readyz"); code != 1 || !strings.Contains(out, "503") || !strings.Contains(out, "REDIS_ADDRS") {
		t.Errorf("without a Redis it says %q, code %d", out, code)
	}
	if out, code := check(9, "/healthz"); code != 1 {
		t.Errorf("where nobody listens somebody says %q, code %d", out, code)
	}
	if out, code := docker(t, "stop", id); code != 0 {
		t.Errorf("docker stop: %s", out)
	}
	if ended, _ := docker(t, "inspect", "--format", "{{.State.ExitCode}}", id); ended != "0" {
		logs, _ := docker(t, "logs", id)
		t.Errorf("it ends with code %s after SIGTERM:\n%s", ended, logs)
	}
}
