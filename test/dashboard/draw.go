package dashboard

import (
	"fmt"
	"image/color"
	"os"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Series is one line of a panel. The points are in seconds since 1970 and the panel's unit.
type Series struct {
	Name   string
	Points plotter.XYs
}

func (s Series) last() float64 { return s.Points[len(s.Points)-1].Y }

func (s Series) highest() float64 {
	_, _, _, high := plotter.XYRange(s.Points)
	return high
}

const (
	cellWidth, cellHeight = vg.Length(38), vg.Length(23)
	gap                   = vg.Length(3)
	small                 = vg.Length(8)
)

var (
	paper  = color.Gray{Y: 0xf4}
	ink    = color.Gray{Y: 0x24}
	faint  = color.Gray{Y: 0x70}
	ruled  = color.Gray{Y: 0xe2}
	colors = map[string]color.Color{
		"green": color.RGBA{R: 0x2e, G: 0x8b, B: 0x3d, A: 0xff}, "yellow": color.RGBA{R: 0xc2, G: 0x8a, B: 0x00, A: 0xff},
		"red": color.RGBA{R: 0xc8, G: 0x2c, B: 0x2c, A: 0xff}, "text": ink,
	}
)

// Draw draws the panels in their places, with their answers by the panel's id, to an
// SVG file.
func Draw(d Dashboard, answers map[int][]Series, path string) error {
	height := 0
	for _, p := range d.Panels {
		height = max(height, p.GridPos.Y+p.GridPos.H)
	}
	svg := vgsvg.New(24*cellWidth, vg.Length(height)*cellHeight)
	all := draw.New(svg)
	all.FillPolygon(paper, corners(all))
	for _, p := range d.Panels {
		g := p.GridPos
		area := draw.Crop(all, vg.Length(g.X)*cellWidth+gap, -vg.Length(24-g.X-g.W)*cellWidth-gap,
			vg.Length(height-g.Y-g.H)*cellHeight+gap, -vg.Length(g.Y)*cellHeight-gap)
		p.draw(area, answers[p.ID])
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// Where the font is not there, one like it is to be taken.
	var drawn strings.Builder
	if _, err := svg.WriteTo(&drawn); err != nil {
		return err
	}
	_, err = file.WriteString(strings.ReplaceAll(drawn.String(), "font-family:Liberation Sans", "font-family:Liberation Sans,Arial,Helvetica,sans-serif"))
	return err
}

func corners(c draw.Canvas) []vg.Point {
	return []vg.Point{{X: c.Min.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Min.Y}, {X: c.Max.X, Y: c.Max.Y}, {X: c.Min.X, Y: c.Max.Y}}
}

func (p Panel) draw(area draw.Canvas, series []Series) {
	if p.Type == "row" {
		area.FillText(style(12, ink, true), vg.Point{X: area.Min.X + gap, Y: area.Min.Y + gap}, p.Title)
		return
	}
	area.FillPolygon(color.White, corners(area))
	area = draw.Crop(area, 2*gap, -2*gap, gap, -2*gap)
	title := style(9, ink, true)
	title.YAlign = text.YTop
	area.FillText(title, vg.Point{X: area.Min.X, Y: area.Max.Y}, p.Title)
	area, below := draw.Crop(area, 0, 0, 0, -14), area
	if p.Type == "stat" { // whose title needs the whole width
		below = area
	}
	p.drawThresholds(below)
	switch {
	case len(series) == 0:
		nothing := style(10, faint, false)
		nothing.XAlign, nothing.YAlign = text.XCenter, text.YCenter
		area.FillText(nothing, area.Center(), "no data")
	case p.Type == "stat":
		p.drawNumbers(area, series)
	default:
		p.drawCourse(area, series)
	}
}

// style is a text's, from its left end and its base line on.
func style(size vg.Length, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 2 // as golang.org/x/image/font has it
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

// drawThresholds says at the upper right where colours begin.
func (p Panel) drawThresholds(area draw.Canvas) {
	x := area.Max.X
	steps := p.FieldConfig.Defaults.Thresholds.Steps
	if len(p.FieldConfig.Defaults.Mappings) > 0 { // the words say enough
		return
	}
	for i := len(steps) - 1; i > 0; i-- {
		word := style(small, colors[steps[i].Color], false)
		word.XAlign, word.YAlign = text.XRight, text.YTop
		said := "from " + p.format(*steps[i].Value)
		area.FillText(word, vg.Point{X: x, Y: area.Max.Y}, said)
		x -= word.Width(said) + 2*gap
	}
}

func (p Panel) drawNumbers(area draw.Canvas, series []Series) {
	n := vg.Length(len(series))
	width, height := area.Size().X/n, area.Size().Y
	if height > area.Size().X/2 { // one below the other
		width, height = n*width, height/n
	}
	size := vg.Length(20)
	for _, s := range series {
		for size > small && style(size, ink, true).Width(p.format(s.last())) > width-gap {
			size--
		}
	}
	number, name := style(size, ink, true), style(6.5, faint, false)
	number.XAlign, number.YAlign, name.XAlign = text.XCenter, text.YCenter, text.XCenter
	corner := vg.Point{X: area.Min.X, Y: area.Max.Y - height}
	for _, s := range series {
		number.Color = p.color(s.last())
		area.FillText(number, vg.Point{X: corner.X + width/2, Y: corner.Y + height/2}, p.format(s.last()))
		area.FillText(name, vg.Point{X: corner.X + width/2, Y: corner.Y + gap}, shortened(s.Name, name, width))
		if width < area.Size().X {
			corner.X += width
		} else {
			corner.Y -= height
		}
	}
}

// color is that of the last step that a value has reached.
func (p Panel) color(value float64) color.Color {
	c := colors["text"]
	for _, step := range p.FieldConfig.Defaults.Thresholds.Steps {
		if step.Value == nil || value >= *step.Value {
			c = colors[step.Color]
		}
	}
	return c
}

// legendRows is how many series the legend of a panel has room for.
const legendRows = 5

func (p Panel) drawCourse(area draw.Canvas, series []Series) {
	rows := min(len(series), legendRows)
	legend := vg.Length(rows+1) * (small + 2)
	p.drawLegend(draw.Crop(area, 0, 0, 0, legend-area.Size().Y), series)

	course := plot.New()
	course.BackgroundColor = nil
	course.X.Tick.Marker = clockTicks{}
	course.Y.Tick.Marker = valueTicks{p}
	for _, axis := range []*plot.Axis{&course.X, &course.Y} {
		axis.Tick.Label.Font, axis.Tick.Label.Color = style(small, faint, false).Font, faint
		axis.Width, axis.Tick.Length = 0, 0
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = ruled, ruled
	course.Add(grid)
	if p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal" {
		series = stacked(series)
	}
	top := 0.0
	for i := len(series) - 1; i >= 0; i-- {
		line, err := plotter.NewLine(series[i].Points)
		if err != nil {
			continue // it has no points
		}
		line.Color, line.Width = plotutil.SoftColors[i%len(plotutil.SoftColors)], 1.2
		if p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal" {
			line.FillColor = paler(line.Color)
		}
		course.Add(line)
		top = max(top, series[i].highest())
	}
	if top == 0 {
		top = p.whereNothingIs()
	}
	course.Y.Min, course.Y.Max = 0, 1.1*top
	p.addThresholds(course)
	course.Draw(draw.Crop(area, 0, 0, legend, 0))
}

// whereNothingIs is how high a panel of zeros is: its first line is in sight.
func (p Panel) whereNothingIs() float64 {
	if lines := p.lines(); len(lines) > 0 {
		return 1.5 * *lines[0].Value
	}
	return 1
}

// lines are the thresholds that are drawn as lines.
func (p Panel) lines() []Step {
	steps := p.FieldConfig.Defaults.Thresholds.Steps
	if len(steps) == 0 || p.FieldConfig.Defaults.Custom.ThresholdsStyle.Mode == "off" {
		return nil
	}
	return steps[1:]
}

// addThresholds draws the lines as far as they are in sight.
func (p Panel) addThresholds(course *plot.Plot) {
	for _, step := range p.lines() {
		if *step.Value > course.Y.Max {
			continue
		}
		line := plotter.NewFunction(func(float64) float64 { return *step.Value })
		line.Color, line.Dashes = colors[step.Color], []vg.Length{4, 3}
		course.Add(line)
	}
}

func (p Panel) drawLegend(area draw.Canvas, series []Series) {
	name, number := style(small, ink, false), style(small, faint, false)
	number.XAlign = text.XRight
	columns := []vg.Length{area.Max.X - 45, area.Max.X}
	y := area.Max.Y - small
	for i, head := range []string{"last", "max"} {
		area.FillText(number, vg.Point{X: columns[i], Y: y}, head)
	}
	for i, s := range series {
		if i == legendRows {
			break
		}
		y -= small + 2
		area.FillPolygon(plotutil.SoftColors[i%len(plotutil.SoftColors)], []vg.Point{
			{X: area.Min.X, Y: y + 2}, {X: area.Min.X + 8, Y: y + 2}, {X: area.Min.X + 8, Y: y + 4}, {X: area.Min.X, Y: y + 4},
		})
		area.FillText(name, vg.Point{X: area.Min.X + 12, Y: y}, shortened(s.Name, name, columns[0]-area.Min.X-50))
		for c, value := range []float64{s.last(), s.highest()} {
			area.FillText(number, vg.Point{X: columns[c], Y: y}, p.format(value))
		}
	}
	if more := len(series) - legendRows; more > 0 {
		area.FillText(name, vg.Point{X: area.Min.X, Y: area.Max.Y - small}, fmt.Sprintf("the first %d of %d", legendRows, len(series)))
	}
}

// shortened is as much of a name as there is room for.
func shortened(name string, s text.Style, room vg.Length) string {
	if s.Width(name) <= room {
		return name
	}
	letters := []rune(name)
	for len(letters) > 0 && s.Width(string(letters)+"…") > room {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}

// stacked puts each series on those before it. All have a point at the same times, or
// none.
func stacked(series []Series) []Series {
	sums := map[float64]float64{}
	var all []Series
	for _, s := range series {
		points := make(plotter.XYs, len(s.Points))
		for i, point := range s.Points {
			sums[point.X] += point.Y
			points[i] = plotter.XY{X: point.X, Y: sums[point.X]}
		}
		all = append(all, Series{Name: s.Name, Points: points})
	}
	return all
}

// paler is a colour mixed with white.
func paler(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	mix := func(part uint32) uint8 { return uint8((part>>8 + 3*0xff) / 4) }
	return color.RGBA{R: mix(r), G: mix(g), B: mix(b), A: 0xff}
}

// clockTicks marks the time of day.
type clockTicks struct{}

// Ticks marks every 30 seconds.
func (clockTicks) Ticks(low, high float64) []plot.Tick {
	const every = 30
	var ticks []plot.Tick
	for at := int64(low)/every*every + every; float64(at) <= high; at += every {
		ticks = append(ticks, plot.Tick{Value: float64(at), Label: time.Unix(at, 0).UTC().Format("15:04:05")})
	}
	return ticks
}
