package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// measured is what the benchmarks of this process have found.
var measured results

type results struct {
	environment environment
	rows        []row
	lines       map[*picture][]line
}

// row is one figure, beside its ceiling if it has one.
type row struct {
	// measurement is the name by which ONLY chooses it.
	measurement string
	metric      metric
	who         string
	figures     sample
	ceiling     string
	ceilings    sample
	goal        goal
}

// goal is what the ratio to the ceiling is to be, or the figure where there is no
// ceiling. The zero goal is none.
type goal struct {
	sign  string
	bound float64
}

func atLeast(bound float64) goal { return goal{"≥", bound} }
func atMost(bound float64) goal  { return goal{"≤", bound} }

func (g goal) String() string {
	if g.sign == "" {
		return ""
	}
	return fmt.Sprintf("%s %v", g.sign, g.bound)
}

// ratios are those of the figures to the ceilings beside them.
func (r row) ratios() sample { return r.figures.over(r.ceilings) }

// reached tells whether the goal is, in the median.
func (r row) reached() bool {
	figure := r.figures.median()
	if r.ceilings != nil {
		figure = r.ratios().median()
	}
	if r.goal.sign == "≥" {
		return figure >= r.goal.bound
	}
	return figure <= r.goal.bound
}

// nameOf is the name by which ONLY chooses a benchmark.
func nameOf(b *testing.B) string { return strings.TrimPrefix(b.Name(), "BenchmarkLeaderboard/") }

// compare adds a row for a contender of a race beside another.
func (r *results) compare(b *testing.B, race *race, m metric, who, ceiling string, g goal) {
	r.rows = append(r.rows, row{nameOf(b), m, who, race.samples[who][m], ceiling, race.samples[ceiling][m], g})
}

// note adds a row for a contender of a race that has no ceiling, unless the figure is
// not known here.
func (r *results) note(b *testing.B, race *race, m metric, who string, g goal) {
	if len(race.samples[who][m]) == 0 {
		return
	}
	r.rows = append(r.rows, row{measurement: nameOf(b), metric: m, who: who, figures: race.samples[who][m], goal: g})
}

// tell adds a row for a figure that was measured once.
func (r *results) tell(b *testing.B, m metric, who string, figure float64, g goal) {
	r.rows = append(r.rows, row{measurement: nameOf(b), metric: m, who: who, figures: sample{figure}, goal: g})
}

// cells are the row as the table has it.
func (r row) cells() []string {
	cells := []string{r.measurement, string(r.metric), r.who, r.figures.String(), "", "", "", r.goal.String(), ""}
	if r.ceilings != nil {
		cells[4], cells[5], cells[6] = r.ceiling, r.ceilings.String(), r.ratios().String()
	}
	if r.goal.sign != "" {
		cells[8] = "missed"
		if r.reached() {
			cells[8] = "reached"
		}
	}
	return cells
}

// header names the cells.
var header = []string{"measurement", "figure", "of", "median (min–max)", "ceiling", "median (min–max)", "ratio (min–max)", "goal", ""}

// String is the median and the spread of the runs.
func (s sample) String() string {
	if len(s) == 1 {
		return digits(s[0])
	}
	return fmt.Sprintf("%s (%s–%s)", digits(s.median()), digits(slices.Min(s)), digits(slices.Max(s)))
}

// digits writes a figure with three digits that count.
func digits(f float64) string {
	if f == 0 {
		return "0"
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(f))))
	if decimals >= 0 {
		return fmt.Sprintf("%.*f", decimals, f)
	}
	unit := math.Pow10(-decimals)
	return fmt.Sprintf("%.0f", math.Round(f/unit)*unit)
}
