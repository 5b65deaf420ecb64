// Package bench measures the real programs on a real Kafka and a real Redis, side
// by side with what could be reached at best on the same machine: each figure is
// held against a ceiling whose runs lie between its own.
//
// `make bench` runs it. BENCH=full takes longer runs and more of them, and
// ONLY=apply/uniform does one measurement.
package bench
