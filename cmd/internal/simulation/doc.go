// Package simulation makes up a world that uses a leaderboard: an organisation with
// boards, its users, and what they do all the time.
package simulation
