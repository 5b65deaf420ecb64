package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"leaderboard/test/programs"
)

const imageVersion = "v1.2.3-test"

// buildImage builds the image of the programs as make image does, and takes it away
// when the test has ended.
func buildImage(t *testing.T) (image string) {
	t.Helper()
	context := t.TempDir()
	if err := os.Symlink(filepath.Dir(programs.Path(t, "query")), filepath.Join(context, "programs")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(context, "bin"), os.DirFS(filepath.Join(context, "programs"))); err != nil {
		t.Fatal(err)
	}
	return build(t, context, "--target", "prebuilt")
}

func build(t *testing.T, context string, args ...string) (image string) {
	t.Helper()
	image = "leaderboard-test:" + uuid.NewString()
	args = append([]string{
		"build", "--file", filepath.Join(root(t), "deploy", "Dockerfile"), "--build-arg", "VERSION=" + imageVersion, "--tag", image,
	}, args...)
	if out, code := docker(t, append(args, context)...); code != 0 {
		t.Fatalf("docker build: %s", out)
	}
	atEnd(t, "image", "rm", "--force", image)
	return image
}

// root is the directory of the project.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// confined is how every container is run: the way that the composition and the chart do.
func confined(image string, command ...string) []string {
	return append([]string{"--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image}, command...)
}

func TestImage(t *testing.T) { checkImage(t, buildImage(t), "") }

// TestImageFromSource builds the programs in a container, without what make build makes.
// It compiles all that they are made of, which takes minutes.
func TestImageFromSource(t *testing.T) {
	if os.Getenv("IMAGES") != "all" {
		t.Skip("only with IMAGES=all, as `make test-images` does")
	}
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	base := regexp.MustCompile(`(?m)^FROM (golang:\S+)`).FindSubmatch(text)
	if base == nil {
		t.Fatal("the Dockerfile names no image of Go")
	}
	providePublic(t, string(base[1]))
	checkImage(t, build(t, root(t)), imageVersion)
}

// checkImage requires that the programs of an image say their name and version, and
// cannot change the image.
func checkImage(t *testing.T, image, version string) {
	t.Helper()
	for _, program := range []string{"projector", "query", "leaderboard"} {
		out, code := docker(t, append([]string{"run", "--rm"}, confined(image, program, "--version")...)...)
		if code != 0 || !strings.HasPrefix(out, program+" "+version) {
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
	atEnd(t, "rm", "--force", id)
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
