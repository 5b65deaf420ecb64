// Package dashboard reads deploy/grafana/leaderboard.json and draws what a Prometheus
// answers to it.
package dashboard

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"time"
)

// Dashboard is what is looked at of it.
type Dashboard struct {
	SchemaVersion int
	Panels        []Panel
	Templating    struct {
		List []struct {
			Name  string
			Query any
		}
	}
}

// Panel is a row's title, a number or a course of time. Its place is in cells of the
// dashboard's grid, which is 24 wide.
type Panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []Step }
			Mappings   []struct {
				Options map[string]struct{ Text string }
			}
			Custom struct {
				Stacking        struct{ Mode string }
				ThresholdsStyle struct{ Mode string }
			}
		}
	}
	Targets []Target
}

// Step is the colour of the values from one on; the first has none and is for all below.
type Step struct {
	Color string
	Value *float64
}

// Target is a question, and how each series of the answer is called.
type Target struct {
	Expr, LegendFormat string
	Datasource         struct{ UID string }
}

// Read reads a dashboard from a file.
func Read(path string) (d Dashboard, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// Fill puts in what Grafana does where everything is chosen: the range is what is
// looked at, and rates are taken over ten seconds.
func Fill(expression string, over time.Duration) string {
	return strings.NewReplacer(
		"$job", ".+", "$instance", ".+", "$partition", ".+", "$__rate_interval", "10s", "$__range", over.String(),
	).Replace(expression)
}

var label = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// Name is how a series with these labels is called.
func (t Target) Name(labels map[string]string) string {
	return label.ReplaceAllStringFunc(t.LegendFormat, func(part string) string { return labels[label.FindStringSubmatch(part)[1]] })
}
