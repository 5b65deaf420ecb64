package leaderboard

// ActivityType says what an activity does to the user's entry.
type ActivityType string

// The activity types.
const (
	// TypeActivity enters Value into the target's aggregate.
	TypeActivity ActivityType = "activity"
	// TypeTotal replaces the entry's value, unless the entry is of a later time.
	TypeTotal ActivityType = "total"
	// TypeEnrol puts an absent user on the board with 0.
	TypeEnrol ActivityType = "enrol"
	// TypeWithdraw removes the user's entry.
	TypeWithdraw ActivityType = "withdraw"
	// TypeErase removes the user's entries from all boards of the organisation.
	// It names no target. The consumer publishes one for every tombstone of the
	// profiles topic, so that an erasure has its place in the log.
	TypeErase ActivityType = "erase"
	// TypePassedOver is never published: it stands in a [Batch] for an activity
	// that does not count while its group or leaderboard is off. It changes
	// nothing on the board, but would be missing there should it be switched on.
	TypePassedOver ActivityType = "passed_over"
)

// Activity is one event of the activities topic, in either of its documented
// forms. PeriodID is 0 when the event names no period.
type Activity struct {
	EventID string
	Type    ActivityType
	OrgID   OrgID
	UserID  UserID
	GroupID TargetGroupID
	RuleID  TargetRuleID
	Period  PeriodID
	Value   Value
	Time    Millis
}

// Record is an activity resolved against the catalog, at its place in the log.
type Record struct {
	Offset    int64
	Published Millis
	// EventID tells the event from others of the user on the board; empty when
	// the event has no id.
	EventID string
	Board   Board
	Rule
	Type   ActivityType
	UserID UserID
	Value  Value
	Time   Millis
}

// Batch is a range of one partition of the activities topic: From is the offset
// it begins at, To the one after its end. Records holds, by rising offset, every
// activity of the range that concerns a board; what the range holds besides
// (dead letters, markers of transactions) does not.
type Batch struct {
	Partition int
	From, To  int64
	Records   []Record
}

// Extent is what a partition of the log holds: from First up to but not including End.
type Extent struct {
	Partition  int
	First, End int64
}

// Progress is how far Redis has come with one partition of the activities topic.
type Progress struct {
	// Next is the first offset that is not yet applied on every shard.
	Next int64
	// Judged is the first offset whose dead letter may not be written yet.
	Judged int64
}

// Outcome counts what became of the records of a batch.
type Outcome struct {
	// Applied were folded into their boards.
	Applied int
	// Repeated were on their boards already.
	Repeated int
	// Stale are totals older than the entry they would replace.
	Stale int
	// PassedOver are of type TypePassedOver.
	PassedOver int
	// Duplicated carry the event id of an earlier record.
	Duplicated int
}

// Add counts the records of another outcome too.
func (o *Outcome) Add(other Outcome) {
	o.Applied += other.Applied
	o.Repeated += other.Repeated
	o.Stale += other.Stale
	o.PassedOver += other.PassedOver
	o.Duplicated += other.Duplicated
}

// Document is one record of a compacted topic: the latest value of its key, or
// its erasure when Value is nil. Hash and Field say where it lies in Redis.
type Document struct {
	Offset int64
	// Key is the record's key in the topic.
	Key   string
	Hash  string
	Field string
	Value []byte
}

// DocumentBatch is a range of one partition of a compacted topic, as [Batch].
type DocumentBatch struct {
	Partition int
	From, To  int64
	Documents []Document
}
