package main

import "testing"

func TestGenerationsShareNoGroup(t *testing.T) {
	for generation, want := range map[int]string{1: "g", 2: "g-2", 13: "g-13"} {
		if got := (&settings{Group: "g", Generation: generation}).group(); got != want {
			t.Errorf("generation %d consumes as %q, want %q", generation, got, want)
		}
	}
}
