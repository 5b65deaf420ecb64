package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"

	"leaderboard/query/auth"
	"leaderboard/test/programs"
)

// compose reads the composition as docker compose does, with the variables of the
// file at env and of no other place.
func compose(t *testing.T, env string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join("..", "..", "deploy", "compose.yaml")},
		cli.WithEnvFiles(env), cli.WithDotEnv, cli.WithDefaultProfiles(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func demo(t *testing.T) *types.Project {
	t.Helper()
	project, err := compose(t, filepath.Join("..", "..", "deploy", "demo.env"))
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func environmentFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretsHaveNoDefaults(t *testing.T) {
	for missing, given := range map[string]string{"REDIS_PASSWORD": "CLIENTS_FILE=clients.json", "CLIENTS_FILE": "REDIS_PASSWORD=sesame"} {
		if _, err := compose(t, environmentFile(t, given)); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	project, err := compose(t, environmentFile(t, "REDIS_PASSWORD=sesame", "CLIENTS_FILE=clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		for variable, value := range service.Environment {
			if secret := strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "SECRET"); secret && *value != "sesame" {
				t.Errorf("%s is given a secret as %s: %s", name, variable, *value)
			}
		}
	}
}

func TestOnlyTheDemoSimulates(t *testing.T) {
	always := []string{"grafana", "kafka", "projector", "prometheus", "query", "redis"}
	project, err := compose(t, environmentFile(t, "REDIS_PASSWORD=sesame", "CLIENTS_FILE=clients.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(project.Services)); !slices.Equal(got, always) {
		t.Errorf("the services are %q", got)
	}
	if got, want := slices.Sorted(maps.Keys(demo(t).Services)), append(slices.Clone(always), "simulator"); !slices.Equal(got, want) {
		t.Errorf("the services of the demo are %q", got)
	}
}

func TestServicesAreBounded(t *testing.T) {
	for name, service := range demo(t).Services {
		ours := service.Image == "leaderboard"
		if _, tag, _ := strings.Cut(service.Image, ":"); !ours && (tag == "" || tag == "latest") {
			t.Errorf("%s: the image %s is not pinned", name, service.Image)
		}
		if service.MemLimit <= 0 {
			t.Errorf("%s: no limit of memory", name)
		}
		if service.HealthCheck == nil && name != "simulator" {
			t.Errorf("%s: no health check", name)
		}
		if ours && (!service.ReadOnly || service.User != "65532:65532" || !slices.Contains(service.CapDrop, "ALL")) {
			t.Errorf("%s may more than it needs", name)
		}
		for _, v := range service.Volumes {
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && (err != nil || !v.ReadOnly) {
				t.Errorf("%s mounts %s: %v", name, v.Source, err)
			}
		}
		for _, p := range service.Ports {
			if name != "query" && p.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to other machines at %s", name, p.Published)
			}
		}
	}
}

// TestProgramsAreAskedToEndInTime holds the time that a container has against the
// time that the daemon in it takes by default.
func TestProgramsAreAskedToEndInTime(t *testing.T) {
	for _, name := range []string{"projector", "query"} {
		service := demo(t).Services[name]
		if period := service.StopGracePeriod; period == nil || time.Duration(*period) <= 20*time.Second {
			t.Errorf("%s has %v to end", name, period)
		}
	}
}

// TestProgramsKnowTheirSettings looks for the arguments and variables of the services
// in what the programs say of themselves.
func TestProgramsKnowTheirSettings(t *testing.T) {
	project := demo(t)
	for name, service := range project.Services {
		if service.Image != "leaderboard" {
			continue
		}
		help, err := exec.Command(programs.Path(t, service.Command[0]), append(service.Command[1:], "--help")...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v %s", name, err, help)
		}
		for variable := range service.Environment {
			if !strings.Contains(string(help), "$"+variable) {
				t.Errorf("%s: %s has no setting %s", name, service.Command[0], variable)
			}
		}
	}
	if _, err := auth.LoadClients(project.Secrets["clients"].File); err != nil {
		t.Error(err)
	}
}

// TestPrometheusFindsTheDaemons holds what it watches against the services and the
// ports at which they are asked after their health.
func TestPrometheusFindsTheDaemons(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "prometheus", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Jobs []struct {
			Name string `json:"job_name"`
			DNS  []struct {
				Names []string `json:"names"`
				Port  int      `json:"port"`
			} `json:"dns_sd_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	services := demo(t).Services
	var watched []string
	for _, job := range settings.Jobs {
		name, port := job.DNS[0].Names[0], job.DNS[0].Port
		watched = append(watched, name)
		if check := services[name].HealthCheck; job.Name != "leaderboard-"+name || check == nil || !strings.Contains(strings.Join(check.Test, " "), fmt.Sprintf(":%d/", port)) {
			t.Errorf("job %s asks %s at port %d", job.Name, name, port)
		}
	}
	if !slices.Equal(watched, []string{"projector", "query"}) {
		t.Errorf("watched are %q", watched)
	}
}
