// Package projector folds batches of activities into the boards. It owns every
// write to Redis.
//
// A batch is split by shard, and each shard's part into cuts: ranges of offsets
// that are short enough for one transaction. What a cut changes is folded here, from
// the entries as Redis has them, and is written with plain commands between MULTI
// and EXEC, together with the shard's fence: the partition's next offset. Redis
// executes them only if nobody has written to the shard since it was looked at
// (WATCH) and the fence stood where the cut begins. So a record's effect is on its
// board once, whatever is sent again and whoever else is writing.
//
// Entries that were read or written stay in memory. They are right as long as the
// shard's version is: every writer changes it, and it never comes back.
package projector
