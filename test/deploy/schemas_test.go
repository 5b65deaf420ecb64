package deploy

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
	"sigs.k8s.io/yaml"
)

// The modules whose schemas the chart's objects are held against: that of Kubernetes,
// and of the two operators that the chart has objects for.
const (
	kubernetesModule = "k8s.io/kubernetes@v1.37.0"
	kedaModule       = "github.com/kedacore/keda/v2@v2.20.0"
	operatorModule   = "github.com/prometheus-operator/prometheus-operator@v0.93.0"
)

// TestChartConforms has kubeconform look at what the chart makes, and at what it must
// not pass over.
func TestChartConforms(t *testing.T) {
	schemas := t.TempDir()
	writeKubernetesSchemas(t, schemas)
	writeResourceSchemas(t, schemas, filepath.Join(moduleDirectory(t, kedaModule), "config", "crd", "bases", "keda.sh_*.yaml"))
	writeResourceSchemas(t, schemas, filepath.Join(moduleDirectory(t, operatorModule), "example", "prometheus-operator-crd", "*.yaml"))
	conform, err := validator.New([]string{filepath.Join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json")}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range []string{fewest, most} {
		texts, err := renderText(values)
		if err != nil {
			t.Fatal(err)
		}
		for path, text := range texts {
			if !strings.HasSuffix(path, ".yaml") {
				continue
			}
			for _, result := range conform.Validate(path, io.NopCloser(strings.NewReader(text))) {
				if result.Status != validator.Valid && result.Status != validator.Empty {
					t.Errorf("%s: %v %+v", path, result.Err, result.ValidationErrors)
				}
			}
		}
	}
	for of, wrong := range map[string]string{
		"an unknown field": "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {maxAvailable: 1}}",
		"a wrong type":     "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: two, selector: {}, template: {}}}",
		"a missing field":  "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: a}, spec: {scaleTargetRef: {name: a}}}",
		"an unknown kind":  "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitored, metadata: {name: a}}",
	} {
		for _, result := range conform.Validate("wrong.yaml", io.NopCloser(strings.NewReader(wrong))) {
			if result.Status == validator.Valid {
				t.Errorf("%s passes: %s", of, wrong)
			}
		}
	}
}

// moduleDirectory is where a module lies, which is got where it is missing.
func moduleDirectory(t *testing.T, module string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module).Output()
	var got struct{ Dir, Error string }
	if parsed := json.Unmarshal(said, &got); err != nil || parsed != nil || got.Dir == "" {
		t.Fatalf("go mod download %s: %v %s", module, err, got.Error)
	}
	return got.Dir
}

// writeKubernetesSchemas writes a schema for each kind of Kubernetes' own, into files
// that kubeconform finds.
func writeKubernetesSchemas(t *testing.T, directory string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleDirectory(t, kubernetesModule), "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var swagger struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(text, &swagger); err != nil {
		t.Fatal(err)
	}
	for name, definition := range swagger.Definitions {
		refuseUnknown(definition)
		var kinds []struct{ Group, Version, Kind string }
		if text, err = json.Marshal(definition["x-kubernetes-group-version-kind"]); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &kinds); err != nil {
			t.Fatal(err)
		}
		if len(kinds) == 1 {
			writeSchema(t, directory, kinds[0].Kind, kinds[0].Group, kinds[0].Version, map[string]any{"$ref": "definitions.json#/definitions/" + name})
		}
	}
	// What these are is said in words alone.
	swagger.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = map[string]any{"type": []string{"integer", "string"}}
	swagger.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = map[string]any{"type": []string{"number", "string"}}
	writeJSON(t, filepath.Join(directory, "definitions.json"), swagger)
}

// writeResourceSchemas writes the schemas of the definitions of resources that the
// files hold.
func writeResourceSchemas(t *testing.T, directory, files string) {
	t.Helper()
	paths, err := filepath.Glob(files)
	if err != nil || paths == nil {
		t.Fatalf("there is nothing at %s: %v", files, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Spec struct {
				Group    string
				Names    struct{ Kind string }
				Versions []struct {
					Name   string
					Schema struct {
						OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
					}
				}
			}
		}
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatal(err)
		}
		for _, version := range definition.Spec.Versions {
			schema := version.Schema.OpenAPIV3Schema
			refuseUnknown(schema)
			writeSchema(t, directory, definition.Spec.Names.Kind, definition.Spec.Group, version.Name, schema)
		}
	}
}

// refuseUnknown makes every object in a schema that lists its fields refuse others, as
// a server does that is asked to validate.
func refuseUnknown(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		_, lists := s["properties"].(map[string]any)
		if open := s["x-kubernetes-preserve-unknown-fields"] == true || s["additionalProperties"] != nil; lists && !open {
			s["additionalProperties"] = false
		}
		for _, part := range s {
			refuseUnknown(part)
		}
	case []any:
		for _, part := range s {
			refuseUnknown(part)
		}
	}
}

func writeSchema(t *testing.T, directory, kind, group, version string, schema map[string]any) {
	t.Helper()
	name := kind + "-" + version
	if group != "" {
		group, _, _ = strings.Cut(group, ".")
		name = kind + "-" + group + "-" + version
	}
	writeJSON(t, filepath.Join(directory, strings.ToLower(name)+".json"), schema)
}

func writeJSON(t *testing.T, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
