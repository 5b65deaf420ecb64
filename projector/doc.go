// Package projector folds batches of activities into the boards. It owns every
// write to Redis.
//
// A batch is split by shard, into tasks (task.go). One goroutine a shard writes what all
// partitions have for it (shard.go): in cuts, which are short enough for one
// transaction and may hold ranges of several partitions (cut.go). What a cut changes
// is folded here (entry.go), from the entries as Redis has them (window.go), and is
// written with plain commands between MULTI and EXEC, together with the fence of each
// partition: its next offset (writing.go). Redis executes them only if nobody has
// written to the shard since it was looked at (WATCH) and the fences stood where the
// cut begins. So a record's effect is on its board once, whatever is sent again and
// whoever else is writing.
//
// Entries that were read or written stay in memory (memory.go). They are right as long
// as the shard's version is: every writer changes it, and it never comes back. After
// any failure a writer forgets them and reads again.
package projector
