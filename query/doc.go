// Package query answers the HTTP calls of the leaderboard from Redis alone.
//
// What has to do with the transfer and with browsers is before the routes (front.go).
// A request then goes through the middleware listed in routes.go to one of these
// endpoints: topRanked (top.go), a page of one board, aroundUser (around.go), a
// user's neighbours on it, userRanks (rank.go), one user's place on many boards, and
// targetGroups (targetgroups.go), which boards there are. The answer of another one,
// streamTop (stream.go), goes on once it has passed all that: broadcasts
// (broadcast.go) read a page again and again for all who follow it.
// All read the boards through store (boards.go) and the catalog from memory,
// where [Server.Run] keeps it fresh (catalog.go). Endpoints return errors;
// answer.go alone turns them into what the client sees. What they answer is described
// in openapi.yaml, which is served with the rest (openapi.go).
//
// Requests that are there at the same time share what is read for them, and never
// what was read before they came: the same page is read and written once
// (shared.go), and what else is read goes to Redis in one pipeline (lanes.go), one
// round trip for each answer. Two are what a large page takes, and every page in a
// cluster, where profiles are read (boards.go): it decides whose they are. No answer and
// no profile is kept.
package query
