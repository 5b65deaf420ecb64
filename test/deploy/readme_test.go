package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestChartReadmeListsTheValues holds the table of the chart's README against the
// values and what is said of them. UPDATE=1 writes the table.
func TestChartReadmeListsTheValues(t *testing.T) {
	values, err := os.ReadFile(filepath.Join(chartDirectory, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(values, &document); err != nil {
		t.Fatal(err)
	}
	table := "<!-- values -->\n| value | default | meaning |\n|---|---|---|\n" + strings.Join(rows(t, "", document.Content[0]), "") + "<!-- /values -->"
	path := filepath.Join(chartDirectory, "README.md")
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(readme), "<!-- values -->")
	_, after, ended := strings.Cut(rest, "<!-- /values -->")
	if !begun || !ended {
		t.Fatal("the README has no place for the values")
	}
	switch want := before + table + after; {
	case want == string(readme):
	case os.Getenv("UPDATE") == "1":
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the README of the chart is not that of its values: UPDATE=1 go test -C test -run %s ./deploy", t.Name())
	}
}

// row is a line of the table, with the value and its default as code.
func row(cells ...string) string {
	for i, cell := range cells[:2] {
		if cell != "" {
			cells[i] = "`" + cell + "`"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// rows are the lines of the table for a mapping and the mappings in it.
func rows(t *testing.T, prefix string, mapping *yaml.Node) []string {
	t.Helper()
	var lines []string
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		meaning := strings.ReplaceAll(strings.ReplaceAll(key.HeadComment, "# ", ""), "\n", " ")
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			if meaning != "" {
				lines = append(lines, row(name, "", meaning))
			}
			lines = append(lines, rows(t, name+".", value)...)
			continue
		}
		text, err := yaml.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, row(name, strings.TrimSpace(string(text)), meaning))
	}
	return lines
}
