package bench

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// picture says what a picture shows, and how.
type picture struct {
	file, title string
	x, y        string
	// byPercentile says that x are percentiles; else its scale is logarithmic, as y's is.
	byPercentile bool
}

// The pictures of docs/benchmarks.
var (
	throughputPicture = &picture{
		file: "throughput.svg", title: "Applied by the size of the board",
		x: "users on the board", y: "activities/s",
	}
	freshnessPicture = &picture{
		file: "freshness.svg", title: "From acknowledged to visible",
		x: "percentile", y: "ms", byPercentile: true,
	}
	queriesPicture = &picture{
		file: "queries.svg", title: "Answers while half of what is possible is applied, 64 connections",
		x: "percentile", y: "ms", byPercentile: true,
	}
)

var pictures = []*picture{throughputPicture, freshnessPicture, queriesPicture}

// line is a line of a picture, through medians.
type line struct {
	name   string
	points plotter.XYs
}

// draw adds points to a line of a picture.
func (r *results) draw(p *picture, name string, points ...plotter.XY) {
	if r.lines == nil {
		r.lines = map[*picture][]line{}
	}
	i := slices.IndexFunc(r.lines[p], func(l line) bool { return l.name == name })
	if i < 0 {
		r.lines[p] = append(r.lines[p], line{name: name})
		i = len(r.lines[p]) - 1
	}
	l := &r.lines[p][i]
	l.points = append(l.points, points...)
}

// percentiles are where latency is drawn, each as far to the right as it is rare.
var percentiles = []struct {
	metric metric
	q      float64
}{{p50, 0.5}, {p90, 0.9}, {p99, 0.99}, {p999, 0.999}}

func rarity(q float64) float64 { return -math.Log10(1 - q) }

// drawLatency adds a contender's line to a picture of percentiles.
func (r *results) drawLatency(p *picture, name string, samples map[metric]sample) {
	for _, at := range percentiles {
		r.draw(p, name, plotter.XY{X: rarity(at.q), Y: samples[at.metric].median()})
	}
}

// save writes the pictures into a directory.
func (r *results) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		if err := p.save(filepath.Join(dir, p.file), r.lines[p]); err != nil {
			return err
		}
	}
	return nil
}

func (p *picture) save(file string, lines []line) error {
	drawing := plot.New()
	drawing.Title.Text, drawing.X.Label.Text, drawing.Y.Label.Text = p.title, p.x, p.y
	drawing.Legend.Top, drawing.Legend.Left = true, true
	drawing.Add(plotter.NewGrid())
	drawing.X.Scale, drawing.X.Tick.Marker = plot.LogScale{}, powersOfTen{}
	drawing.Y.Scale, drawing.Y.Tick.Marker = plot.LogScale{}, powersOfTen{}
	if p.byPercentile {
		drawing.X.Scale, drawing.X.Tick.Marker = plot.LinearScale{}, percentileTicks{}
	}
	for i, l := range lines {
		curve, points, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return err
		}
		curve.Color, points.Color = plotutil.Color(i), plotutil.Color(i)
		curve.Dashes, points.Shape = plotutil.Dashes(i), plotutil.Shape(i)
		drawing.Add(curve, points)
		drawing.Legend.Add(l.name, curve, points)
	}
	drawing.Y.Max *= legendRoom
	return drawing.Save(16*vg.Centimeter, 10*vg.Centimeter, file)
}

// percentileTicks marks the percentiles where they are drawn.
type percentileTicks struct{}

// Ticks marks all of them.
func (percentileTicks) Ticks(float64, float64) []plot.Tick {
	var ticks []plot.Tick
	for _, at := range percentiles {
		ticks = append(ticks, plot.Tick{Value: rarity(at.q), Label: strconv.FormatFloat(100*at.q, 'f', -1, 64)})
	}
	return ticks
}

// legendRoom is how much higher than the lines a picture is, so that its legend does
// not cover them.
const legendRoom = 3

// powersOfTen marks 1, 10, 100 and so on, and what lies between.
type powersOfTen struct{}

// Ticks marks at least one power of ten.
func (powersOfTen) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for unit := math.Pow10(int(math.Floor(math.Log10(low)))); unit <= high; unit *= 10 {
		for n := 1.0; n < 10; n++ {
			tick := plot.Tick{Value: n * unit}
			if n == 1 || n == 2 || n == 5 {
				tick.Label = strconv.FormatFloat(tick.Value, 'f', -1, 64)
			}
			if tick.Value >= low && tick.Value <= high {
				ticks = append(ticks, tick)
			}
		}
	}
	return ticks
}
