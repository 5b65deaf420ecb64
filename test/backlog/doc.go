// Package backlog tests that a projector takes in a long log within the memory of a
// small container. BACKLOG=5000000 says how many records the log has.
package backlog
