// Package projector folds batches of activities into the boards. It owns every
// write to Redis.
//
// A batch is split by shard, and each shard's part into cuts: ranges of offsets
// that are short enough for one script call. The script ([applySource]) holds the
// cut against the shard's fence, an exact compare-and-set on the partition's
// offset, and applies it whole or not at all. So a record's effect is on its
// board once, whatever is sent again and whoever else is writing.
package projector
