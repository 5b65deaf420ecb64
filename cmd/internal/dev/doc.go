// Package dev runs the whole leaderboard in one process, on an embedded broker
// and a private store, for trying it out and for development.
//
//	simulate, files ──► broker ──► projector ──► store ◄── query ◄── curl
//	                    (kfake)                  (redis-server, else miniredis)
package dev
