package faults

import "testing"

// TestNetwork spoils the links between a projector and its servers.
func TestNetwork(t *testing.T) {
	const (
		slow = "Boards lag, and catch up."
		once = "What was sent and not answered is sent again; the fence keeps it from counting twice."
	)
	var scenarios []scenario
	for _, end := range []struct {
		name, errors string
		link         func(*world) *link
	}{
		{"Redis", "leaderboard_projector_redis_errors_total", func(w *world) *link { return w.store.link }},
		{"Kafka", "leaderboard_kafka_errors_total", func(w *world) *link { return w.kafkaLink }},
	} {
		add := func(name, fault, promise string, share float64, inject func(*world, *link) func()) {
			s := scenario{
				name: end.name + name, fault: end.name + ": " + fault, promise: promise, share: share,
				inject: func(w *world) func() { return inject(w, end.link(w)) },
			}
			if promise == once {
				s.after = func(w *world) { w.expectCounted(end.errors) }
			}
			scenarios = append(scenarios, s)
		}
		add("Latency", "a link with 300 ms ± 200 ms of latency", slow, 0.3, delay)
		add("Bandwidth", "a link of 40 KB/s, its packets cut to pieces", slow, 0.3, narrow)
		add("Silence", "a link on which no answer arrives any more", once, 0.4, silence)
		add("Reset", "connections reset by the peer", once, 0.2, reset)
		add("Severed", "connections refused", once, 0.2, sever)
		add("Cut", "connections cut in the middle of requests and of answers", once, 0, cutAgainAndAgain)
	}
	runScenarios(t, scenarios)
}

func delay(_ *world, l *link) func() {
	l.spoil("latency", answers, map[string]int{"latency": 300, "jitter": 200})
	return l.mend
}

func narrow(_ *world, l *link) func() {
	for _, direction := range []string{requests, answers} {
		l.spoil("bandwidth", direction, map[string]int{"rate": 40})
		l.spoil("slicer", direction, map[string]int{"average_size": 300, "size_variation": 200})
	}
	return l.mend
}

// silence lets requests arrive, and no answers: the server does what it is told,
// and nobody hears of it.
func silence(_ *world, l *link) func() {
	l.spoil("timeout", answers, map[string]int{"timeout": 0})
	return l.mend
}

func reset(_ *world, l *link) func() {
	l.spoil("reset_peer", answers, map[string]int{"timeout": 50})
	return l.mend
}

func sever(_ *world, l *link) func() {
	l.sever()
	return l.join
}

// cutAgainAndAgain lets so many bytes pass on each connection, in the one or the
// other direction.
func cutAgainAndAgain(w *world, l *link) func() {
	const cuts = 20
	for i := range cuts {
		direction := requests
		if i%2 == 0 {
			direction = answers
		}
		l.spoil("limit_data", direction, map[string]int{"bytes": 1 + w.random.IntN(20_000)})
		w.flowOn(0.02)
		l.mend()
	}
	return nil
}
