package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/api"
	prometheusapi "github.com/prometheus/client_golang/api/prometheus/v1"
	kafkago "github.com/segmentio/kafka-go"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// composed is the composition, running.
type composed struct {
	t       *testing.T
	name    string
	project *types.Project
	ports   map[string]string // by the service
}

// TestComposition runs deploy/compose.yaml itself as the demo, as docker compose does.
func TestComposition(t *testing.T) {
	c := &composed{t: t, name: "leaderboard-" + uuid.NewString(), project: demo(t), ports: map[string]string{}}
	for _, service := range []string{"query", "kafka", "prometheus", "grafana"} {
		port, err := servers.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		c.ports[service] = strconv.Itoa(port)
	}
	for _, service := range c.project.Services {
		if service.Image != "leaderboard" {
			providePublic(t, service.Image)
		}
	}
	c.up(buildImage(t))

	c.expectConfined()
	c.expectMoves()
	c.expectTopics()
	c.expectWatched()
	c.expectGoodEnds()
}

// compose is a command of docker compose for the composition as the demo.
func (c *composed) compose(ctx context.Context, image string, args ...string) *exec.Cmd {
	c.t.Helper()
	directory := filepath.Join(root(c.t), "deploy")
	cmd := getEngine(c.t).client(ctx, append([]string{
		"compose", "--progress", "plain", "--project-name", c.name, "--file", filepath.Join(directory, "compose.yaml"), "--env-file", filepath.Join(directory, "demo.env"),
	}, args...)...)
	cmd.Env = append(cmd.Env, "LEADERBOARD_IMAGE="+image, "API_PORT="+c.ports["query"], "KAFKA_PORT="+c.ports["kafka"],
		"PROMETHEUS_PORT="+c.ports["prometheus"], "GRAFANA_PORT="+c.ports["grafana"])
	return cmd
}

// up starts all services and waits until each is healthy.
func (c *composed) up(image string) {
	c.t.Helper()
	c.t.Cleanup(func() {
		down := c.compose(context.Background(), image, "down", "--volumes", "--timeout", "1")
		if c.t.Failed() {
			logs, _ := c.compose(context.Background(), image, "logs", "--tail", "20").CombinedOutput()
			c.t.Logf("%s", logs)
		}
		if said, err := down.CombinedOutput(); err != nil {
			c.t.Errorf("docker compose down: %v\n%s", err, said)
		}
	})
	if out, code := run(c.t, c.compose(c.t.Context(), image, "up", "--detach", "--wait", "--wait-timeout", "300")); code != 0 {
		c.t.Fatalf("docker compose up: %s", out)
	}
}

// inspected is what the tests look at of a container.
type inspected struct {
	State struct {
		Status   string
		ExitCode int
		Health   *struct{ Status string }
	}
	Config     struct{ User string }
	HostConfig struct {
		Memory         int64
		ReadonlyRootfs bool
		CapDrop        []string
		PortBindings   map[string][]struct{ HostIP string }
	}
}

func (c *composed) inspect(service string) (container inspected) {
	c.t.Helper()
	text, code := docker(c.t, "inspect", "--format", "{{json .}}", c.name+"-"+service+"-1")
	if code != 0 {
		c.t.Fatalf("docker inspect: %s", text)
	}
	if err := json.Unmarshal([]byte(text), &container); err != nil {
		c.t.Fatal(err)
	}
	return container
}

// expectConfined requires of the containers what the composition says of them.
func (c *composed) expectConfined() {
	c.t.Helper()
	for name, service := range c.project.Services {
		container := c.inspect(name)
		if health := container.State.Health; health == nil && name != "simulator" || health != nil && health.Status != "healthy" {
			c.t.Errorf("%s is not healthy: %+v", name, container.State)
		}
		if container.HostConfig.Memory != int64(service.MemLimit) {
			c.t.Errorf("%s may take %d bytes of memory, want %d", name, container.HostConfig.Memory, service.MemLimit)
		}
		ours := service.Image == "leaderboard"
		if ours && (!container.HostConfig.ReadonlyRootfs || container.Config.User != "65532:65532" || !slices.Equal(container.HostConfig.CapDrop, []string{"ALL"})) {
			c.t.Errorf("%s may more than it needs: %+v", name, container)
		}
		if container.Config.User == "" || container.Config.User == "root" {
			c.t.Errorf("%s runs as root", name)
		}
		for port, bindings := range container.HostConfig.PortBindings {
			if name != "query" && bindings[0].HostIP != "127.0.0.1" {
				c.t.Errorf("%s is open to other machines at %s", name, port)
			}
		}
	}
}

// ask gets a document of a service that is published.
func (c *composed) ask(service, path string, into any) error {
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+c.addr(service)+path, http.NoBody)
	if err != nil {
		return err
	}
	request.SetBasicAuth("demo", "demo")
	response, err := (&http.Client{Transport: c.transport()}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func (c *composed) transport() *http.Transport {
	return &http.Transport{DialContext: getEngine(c.t).dial, DisableKeepAlives: true}
}

func (c *composed) addr(service string) string {
	return net.JoinHostPort("127.0.0.1", c.ports[service])
}

// expectMoves asks as docs/deploying.md does, twice, and wants more each time.
func (c *composed) expectMoves() {
	c.t.Helper()
	text := c.document("deploying.md")
	call := regexp.MustCompile(`curl -u demo:demo 'http://localhost:8080(\S+)'`).FindStringSubmatch(text)
	if call == nil {
		c.t.Fatal("docs/deploying.md does not say how to ask for the board of the demo")
	}
	seen := 0.0
	for range 2 {
		programs.Await(c.t, "a board that moves", func() error {
			var answer struct {
				Data struct {
					Rankings []struct{ AchievedValue float64 }
				}
			}
			if err := c.ask("query", call[1], &answer); err != nil {
				return err
			}
			sum := 0.0
			for _, entry := range answer.Data.Rankings {
				sum += entry.AchievedValue
			}
			if sum <= seen {
				return fmt.Errorf("the first page has %v", sum)
			}
			seen = sum
			return nil
		})
	}
}

func (c *composed) document(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(root(c.t), "docs", name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// expectTopics holds the topics that the programs have made against the table in
// docs/deploying.md, by way of the listener for programs of the machine.
func (c *composed) expectTopics() {
	c.t.Helper()
	want := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| (`leaderboard\\.[^|]+) \\|[^|]+\\| (`[^|]+) \\|$")
	quoted := regexp.MustCompile("`([^` ]+)`")
	for _, match := range row.FindAllStringSubmatch(c.document("deploying.md"), -1) {
		for _, topic := range quoted.FindAllStringSubmatch(match[1], -1) {
			want[topic[1]] = strings.ReplaceAll(match[2], "`", "")
		}
	}
	delete(want, "leaderboard.deadletters.settled") // made when the first one is settled
	if len(want) != 5 {
		c.t.Fatalf("docs/deploying.md names the topics %v", want)
	}
	client := &kafkago.Client{Addr: kafkago.TCP(c.addr("kafka")), Transport: &kafkago.Transport{Dial: getEngine(c.t).dial}}
	for topic, settings := range want {
		answer, err := client.DescribeConfigs(c.t.Context(), &kafkago.DescribeConfigsRequest{
			Resources: []kafkago.DescribeConfigRequestResource{{ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic}},
		})
		if err != nil || answer.Resources[0].Error != nil {
			c.t.Errorf("%s: %v %+v", topic, err, answer)
			continue
		}
		for setting := range strings.SplitSeq(settings, ", ") {
			name, value, _ := strings.Cut(setting, "=")
			if !slices.ContainsFunc(answer.Resources[0].ConfigEntries, func(e kafkago.DescribeConfigResponseConfigEntry) bool {
				return e.ConfigName == name && e.ConfigValue == value
			}) {
				c.t.Errorf("%s does not have %s", topic, setting)
			}
		}
	}
}

// expectWatched requires that Prometheus reaches the daemons and can use every rule.
func (c *composed) expectWatched() {
	c.t.Helper()
	connection, err := api.NewClient(api.Config{Address: "http://" + c.addr("prometheus"), RoundTripper: c.transport()})
	if err != nil {
		c.t.Fatal(err)
	}
	asked := prometheusapi.NewAPI(connection)
	programs.Await(c.t, "targets that are up", func() error {
		targets, err := asked.Targets(c.t.Context())
		if err != nil {
			return err
		}
		var up []string
		for _, target := range targets.Active {
			if target.Health == prometheusapi.HealthGood {
				up = append(up, string(target.Labels["job"]))
			}
		}
		slices.Sort(up)
		if !slices.Equal(up, []string{"leaderboard-projector", "leaderboard-query"}) {
			return fmt.Errorf("up are %q", up)
		}
		return nil
	})
	rules, err := asked.Rules(c.t.Context(), nil)
	if err != nil || len(rules.Groups) == 0 {
		c.t.Fatalf("Prometheus has no rules: %v", err)
	}
}

// expectGoodEnds asks the services to end: what has a state to keep has to end in order.
func (c *composed) expectGoodEnds() {
	c.t.Helper()
	if out, code := run(c.t, c.compose(c.t.Context(), "leaderboard", "stop")); code != 0 {
		c.t.Fatalf("docker compose stop: %s", out)
	}
	for _, service := range []string{"projector", "query", "simulator", "redis"} {
		if state := c.inspect(service).State; state.Status != "exited" || state.ExitCode != 0 {
			c.t.Errorf("%s ended so: %+v", service, state)
		}
	}
}
