package faults

import (
	"testing"

	"leaderboard/test/programs"
)

// TestProjectors kills, freezes, adds and takes away projectors.
func TestProjectors(t *testing.T) {
	runScenarios(t, []scenario{
		{
			name:  "Killed",
			fault: "Projector killed, again and again", promise: "The next one begins where Redis says; nothing is lost or doubled.",
			inject: killProjectors,
		},
		{
			name:    "Zombie",
			fault:   "Projector frozen until its partitions were given away, then woken up",
			promise: "The fences refuse the zombie's writes.",
			inject:  zombie,
		},
		{
			name:  "ComeAndGo",
			fault: "Projectors join, leave and are killed in the middle of batches", promise: "The batch in flight is finished, or done again by the next owner.",
			inject: comeAndGo,
		},
	})
}

func killProjectors(w *world) func() {
	const kills = 3
	for range kills {
		replaceProjector(w)().AwaitReady()
		w.flowOn(0.05)
	}
	last := replaceProjector(w)
	return func() { last() }
}

// replaceProjector kills the oldest projector, and returns how to start another.
func replaceProjector(w *world) func() *programs.Program {
	killed := w.projectors[0]
	killed.Kill()
	w.leave(killed)
	return w.join
}

func zombie(w *world) func() {
	frozen := w.projectors[0]
	frozen.Pause()
	w.awaitAssigned(w.join(), partitions)
	return frozen.Resume
}

func comeAndGo(w *world) func() {
	first := w.projectors[0]
	second := w.join()
	w.awaitAssigned(second, partitions/2)
	third := w.join()
	w.awaitAssigned(third, 1)
	first.Stop()
	w.leave(first)
	w.awaitAssigned(second, partitions/2)
	second.Kill()
	w.leave(second)
	w.join()
	return nil
}
