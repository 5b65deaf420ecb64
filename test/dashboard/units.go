package dashboard

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// scale is how a unit is called where a value has reached its size.
type scale struct {
	size float64
	unit string
}

var scales = map[string][]scale{
	"s":           {{1e-6, " µs"}, {1e-3, " ms"}, {1, " s"}, {60, " min"}, {3600, " h"}},
	"bytes":       {{1, " B"}, {1 << 10, " KiB"}, {1 << 20, " MiB"}, {1 << 30, " GiB"}},
	"percentunit": {{0.01, "%"}},
	"short":       {{1, ""}, {1e3, " K"}, {1e6, " Mil"}},
	"none":        {{1, ""}},
	"cps":         {{1, " c/s"}, {1e3, " Kc/s"}},
	"reqps":       {{1, " req/s"}, {1e3, " Kreq/s"}},
}

// format writes a value in the panel's unit as Grafana does, or in the words that stand
// for it.
func (p Panel) format(value float64) string {
	for _, m := range p.FieldConfig.Defaults.Mappings {
		if word, mapped := m.Options[strconv.FormatFloat(value, 'f', -1, 64)]; mapped {
			return word.Text
		}
	}
	units := scales[p.FieldConfig.Defaults.Unit]
	unit := units[0]
	for _, larger := range units {
		if math.Abs(value) >= larger.size || value == 0 && larger.size <= 1 {
			unit = larger
		}
	}
	return significant(value/unit.size) + unit.unit
}

// significant has at most three digits that are not zeros at the end.
func significant(value float64) string {
	decimals := 0
	if size := math.Abs(value); size < 100 && size > 0 {
		decimals = 2 - max(0, int(math.Floor(math.Log10(size))))
	}
	text := strconv.FormatFloat(value, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// valueTicks marks values in the unit of the panel.
type valueTicks struct{ Panel }

// Ticks marks what the plot would, in the panel's unit.
func (v valueTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, tick := range ticks {
		if tick.Label != "" {
			ticks[i].Label = v.format(tick.Value)
		}
	}
	return ticks
}
