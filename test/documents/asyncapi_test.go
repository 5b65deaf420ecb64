package documents

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"leaderboard/consumer"
)

var asyncAPI = filepath.Join(root, "docs", "events", "asyncapi.yaml")

// TestAsyncAPIIsValid asks the parser that the AsyncAPI project publishes.
func TestAsyncAPIIsValid(t *testing.T) {
	modules, err := filepath.Abs(filepath.Join(root, ".build", "asyncapi", "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Fatalf("the parser of AsyncAPI is missing; fetch it with `make servers`: %v", err)
	}
	node := exec.Command("node", filepath.Join("asyncapi", "validate.cjs"), asyncAPI)
	node.Env = append(os.Environ(), "NODE_PATH="+modules)
	if output, err := node.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestAsyncAPINamesTheTopics holds channels and schemas against what there is.
func TestAsyncAPINamesTheTopics(t *testing.T) {
	text, err := os.ReadFile(asyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Channels   map[string]struct{ Address string }
		Components struct {
			Messages map[string]struct {
				Payload, Headers struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
		}
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON, &described); err != nil {
		t.Fatal(err)
	}
	topics := consumer.DefaultTopics()
	want := map[string]string{
		"activities": topics.Activities, "catalog": topics.Catalog, "profiles": topics.Profiles, "deadLetters": topics.DeadLetters,
	}
	got := map[string]string{}
	for name, channel := range described.Channels {
		got[name] = channel.Address
	}
	if !maps.Equal(got, want) {
		t.Errorf("the channels are %v, want %v", got, want)
	}
	var schemas, judged []string
	for _, message := range described.Components.Messages {
		schemas = append(schemas, message.Payload.Schema.Ref+message.Headers.Schema.Ref)
	}
	for _, j := range judges {
		judged = append(judged, j.file+".schema.json")
	}
	slices.Sort(schemas)
	slices.Sort(judged)
	if !slices.Equal(schemas, judged) {
		t.Errorf("the schemas are %v, want %v", schemas, judged)
	}
}
