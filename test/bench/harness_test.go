package bench

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"leaderboard"
)

func TestDigits(t *testing.T) {
	for figure, want := range map[float64]string{
		0: "0", 0.0123: "0.0123", 0.75: "0.750", 1.2: "1.20", 9.996: "10.00", 118.4: "118", 1234: "1230", 98765: "98800",
	} {
		if got := digits(figure); got != want {
			t.Errorf("%v is written %q, want %q", figure, got, want)
		}
	}
}

func TestRatiosAreThoseOfTheRounds(t *testing.T) {
	r := row{figures: sample{10, 30, 20}, ceilings: sample{10, 60, 10}, goal: atLeast(1)}
	if got, want := r.ratios().String(), "1.00 (0.500–2.00)"; got != want {
		t.Errorf("the ratio is %s, want %s", got, want)
	}
	if !r.reached() {
		t.Error("the goal of 1 is not reached by a median of 1")
	}
	if r.goal = atMost(0.9); r.reached() {
		t.Error("the goal of at most 0.9 is reached by a median of 1")
	}
}

func TestRaceRunsByTurns(t *testing.T) {
	var turns []string
	turn := func(name string) contender {
		return contender{name, func() readings {
			turns = append(turns, name)
			return readings{p50: float64(len(turns))}
		}}
	}
	r := &race{rounds: 2, contenders: []contender{turn("a"), turn("b"), turn("c")}}
	r.run()
	if got, want := strings.Join(turns, ""), "abcbca"; got != want {
		t.Errorf("the turns are %s, want %s", got, want)
	}
	if got, want := r.samples["a"][p50], (sample{1, 6}); !reflect.DeepEqual(got, want) {
		t.Errorf("the figures of a are %v, want %v", got, want)
	}
}

func TestNativeCeilingMergesTheEventsOfAUserOnABoard(t *testing.T) {
	got := stepsOf([]event{
		{board: 1, user: 7, value: 10, time: 5},
		{board: 0, user: 7, value: 20, time: 6},
		{board: 1, user: 8, value: 30, time: 7},
		{board: 1, user: 7, value: 40, time: 4},
	})
	want := [][]change{
		{{board: 0, user: 7, value: 20, time: 6}},
		{{board: 1, user: 7, value: 50, time: 5}, {board: 1, user: 8, value: 30, time: 7}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the steps are %v, want %v", got, want)
	}
	var events []event
	for i := range 2*nativeStep + 1 {
		events = append(events, event{user: firstUser + leaderboard.UserID(i)})
	}
	if got := len(stepsOf(events)); got != 3 {
		t.Errorf("%d users are divided into %d steps, want 3", len(events), got)
	}
}

func TestDocumentKeepsWhatIsNotMeasured(t *testing.T) {
	document := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(document, []byte("before\n"+reportBegin+"old\n"+reportEnd+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &results{rows: []row{{measurement: "apply/uniform", metric: activitiesPerSecond, who: projected, figures: sample{1}}}}
	for _, p := range pictures {
		for _, x := range []float64{1, 2, 3} {
			r.draw(p, "line", plotter.XY{X: x, Y: 10 * x})
		}
	}
	if err := r.writeInto(document); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "\nafter\n") || strings.Contains(got, "old") || !strings.Contains(got, "| apply/uniform |") {
		t.Errorf("the document is now:\n%s", got)
	}
	for _, p := range pictures {
		if !strings.Contains(got, "(benchmarks/"+p.file+")") {
			t.Errorf("the document does not show %s", p.file)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(document), "benchmarks", p.file)); err != nil {
			t.Error(err)
		}
	}
}
