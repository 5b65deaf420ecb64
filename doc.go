// Package leaderboard is the vocabulary of an event-driven leaderboard: what an
// activity, a board, an entry and the catalog are, how they lie in Redis, and
// which errors a client sees. It is pure and depends on nothing but the
// standard library.
//
// The system, bottom up:
//
//   - [Value] and [Millis] are the two quantities: thousandths and milliseconds.
//   - [Activity] is one event of the log; [Board] names the sorted set it counts
//     on; [Catalog] says which boards exist and how they aggregate.
//   - [Layout] is the Redis schema: every key and every encoded member is made
//     there and nowhere else.
//   - package consumer reads Kafka, decodes and resolves activities, and hands
//     them on as a [Batch].
//   - package projector folds a [Batch] into the boards, exactly once.
//   - package query answers the two HTTP calls from Redis alone.
//   - cmd ties them together; nothing else knows flags, signals or both ends.
//
// Data goes one way, from the log to the boards to the answers, and at any
// moment every board equals the fold of a prefix of the log.
package leaderboard
