package daemon

import "testing"

func TestGenerationsShareNoGroup(t *testing.T) {
	for generation, want := range map[int]string{1: "g", 2: "g-2", 13: "g-13"} {
		if got := GroupOf("g", generation); got != want {
			t.Errorf("generation %d consumes as %q, want %q", generation, got, want)
		}
	}
}
