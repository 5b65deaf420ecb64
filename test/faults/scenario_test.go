package faults

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scenario is a fault, and what is promised for it.
type scenario struct {
	name, fault, promise string
	setting              setting
	// inject brings the fault about while the stream flows, and returns how to end
	// it; nil when it is over already.
	inject func(*world) (heal func())
	// share of what is left of the stream flows between inject and heal.
	share float64
	// after checks what else has to be true in the end; nil for nothing.
	after func(*world)
}

// streamLength is the number of records of a scenario.
const streamLength = 50_000

// run lets the stream flow, injects the fault, heals it, and requires that every
// board equals the oracle's: from that moment on, and at the end of the stream.
func (s scenario) run(t *testing.T, seed uint64) {
	w := newWorld(t, seed, s.setting, streamLength)
	w.stream.publish(streamLength / 5)
	w.awaitBoards()
	recovery := w.suffer(s.inject, s.share)
	t.Logf("%s: boards equal %s after its end, with %d records in the log", s.fault, recovery, len(w.log))
	w.stream.publish(streamLength)
	w.settle()
	if s.after != nil {
		s.after(w)
	}
	if !t.Failed() {
		measured.add(row{s.fault, s.promise, t.Name(), recovery})
	}
}

// suffer injects a fault while the stream flows, and measures from its end until
// every board equals what was published by then.
func (w *world) suffer(inject func(*world) func(), share float64) time.Duration {
	w.t.Helper()
	stop := w.stream.flow()
	w.flowOn(0.05)
	heal := inject(w)
	w.flowOn(share)
	if heal != nil {
		heal()
	}
	ended := time.Now()
	stop()
	w.awaitBoards()
	return time.Since(ended)
}

// runScenarios runs those that FAULTS asks for.
func runScenarios(t *testing.T, scenarios []scenario) {
	t.Helper()
	if os.Getenv("FAULTS") != "all" {
		t.Skip("only with FAULTS=all, as `make test-faults` does")
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.run(t, seedOf(t)) })
	}
}

// seedOf is SEED, or one of the moment. It is printed, so that a run can be repeated.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("SEED: %v", err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// row is one of the table in docs/reliability.md.
type row struct {
	fault, promise, test string
	recovery             time.Duration
}

// table gathers the rows of all scenarios, in the order of their run.
type table struct{ rows []row }

var measured table

func (m *table) add(r row) { m.rows = append(m.rows, r) }

const tableBegin, tableEnd = "<!-- measured by make test-faults -->\n", "<!-- end -->"

// writeInto puts the table between the two marks of a file.
func (m *table) writeInto(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table: no %q with %q after it", file, tableBegin, tableEnd)
	}
	var b strings.Builder
	b.WriteString(before + tableBegin + "\n| fault | what is promised | test | recovery |\n|---|---|---|---|\n")
	for _, r := range m.rows {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %.1f s |\n", r.fault, r.promise, r.test, r.recovery.Seconds())
	}
	b.WriteString("\n" + tableEnd + after)
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
