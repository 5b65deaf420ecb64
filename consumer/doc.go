// Package consumer reads Kafka: it joins the consumer group, fetches each
// assigned partition, decodes and resolves activities, writes dead letters, and
// hands ranges of the log on to the boards.
//
//	group ──► lane (one per partition): fetch ─► decode ─► handle ─► sync, commit
//	                                                        │
//	catalog (the whole topic in memory) ────────────────────┘ resolve
//
// Where a partition goes on is asked of the boards ([Boards], [Documents]), that
// is of Redis. The offset committed to Kafka follows for the lag tools and is
// never read.
package consumer
