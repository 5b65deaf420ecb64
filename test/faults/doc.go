// Package faults holds the tests that break things: while a random stream of
// activities flows through a real Kafka, a real Redis and the real programs, one
// of them is killed, frozen, emptied or cut off. In the end every board has to
// equal the oracle's, in Redis and over HTTP.
//
// A scenario is a fault with what is promised for it; the runner does the rest.
// Without FAULTS=all only a random run of bounded length is done.
package faults
