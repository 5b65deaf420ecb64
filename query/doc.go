// Package query answers the two HTTP calls of the leaderboard from Redis alone.
//
// A request goes through the middleware listed in routes.go, which ends with
// the organisations in scope, to one of two endpoints: topRanked (top.go), a
// page of one board, and userRanks (rank.go), one user's place on many boards.
// Both read the boards through store (boards.go) and the catalog from memory,
// where [Server.Run] keeps it fresh (catalog.go). Endpoints return errors;
// answer.go alone turns them into what the client sees.
package query
