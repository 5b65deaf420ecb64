// Package auth tells who calls the HTTP API and what the caller may do.
//
// A [Guard] knows the callers: the clients of a file ([Clients]), who sign in with
// a secret or with a token that the guard gave them for it, and the callers that
// outside issuers vouch for. It reads its files again when they change, and bounds
// how often one may try in vain.
package auth
