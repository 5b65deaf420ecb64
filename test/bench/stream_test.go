package bench

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// event is an activity before it is published, and for the ceilings the only form
// of it.
type event struct {
	// board is the number of a board in the stream's set.
	board     int
	user      leaderboard.UserID
	value     leaderboard.Value
	time      leaderboard.Millis
	partition int
	id        string
}

// stream is what every contender of a run gets.
type stream struct {
	set    *boardSet
	events []event
}

// streams makes streams whose activities follow each other in time.
type streams struct {
	random     *rand.Rand
	now        leaderboard.Millis
	partitions []int
}

func newStreams(partitions int) *streams {
	s := &streams{random: rand.New(rand.NewPCG(2, 3)), now: leaderboard.MillisOf(periodStart.AddDate(2, 0, 0))}
	for p := range partitions {
		s.partitions = append(s.partitions, p)
	}
	return s
}

// draw says which user of which board acts next.
type draw func(random *rand.Rand) (board, user int)

// uniform draws every entry of the set equally often.
func uniform(set *boardSet) draw {
	return func(random *rand.Rand) (board, user int) { return random.IntN(len(set.boards)), random.IntN(set.users) }
}

// zipf draws the users of a board by Zipf's law with exponent 1.1, in an order
// that has nothing to do with their ids.
func zipf(set *boardSet) draw {
	var law *rand.Zipf
	users := rand.New(rand.NewPCG(4, 5)).Perm(set.users)
	return func(random *rand.Rand) (board, user int) {
		if law == nil {
			law = rand.NewZipf(random, 1.1, 1, uint64(set.users-1))
		}
		return 0, users[law.Uint64()]
	}
}

func (s *streams) next(set *boardSet, by draw, n int) *stream {
	out := &stream{set: set, events: make([]event, n)}
	for i := range out.events {
		board, user := by(s.random)
		s.now++
		e := event{board: board, user: set.user(board, user), value: leaderboard.Value(500 + s.random.Int64N(500_000)), time: s.now}
		e.partition = s.partitionOf(e.user)
		out.events[i] = e
	}
	return out
}

// withIDs gives every event an id, as producers that may publish twice do.
func (s *streams) withIDs(st *stream) *stream {
	for i := range st.events {
		st.events[i].id = "58aa15c9-1a08-422d-9272-" + strconv.FormatUint(1<<47+s.random.Uint64N(1<<46), 16)
	}
	return st
}

// partitionOf is where `leaderboard publish` and Java's producers put the user.
func (s *streams) partitionOf(user leaderboard.UserID) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: appendKey(nil, user)}, s.partitions...)
}

func appendKey(b []byte, user leaderboard.UserID) []byte {
	b = strconv.AppendInt(b, int64(org), 10)
	b = append(b, ':')
	return strconv.AppendInt(b, int64(user), 10)
}

// appendJSON writes the record's value in the documented form.
func (e *event) appendJSON(b []byte, board leaderboard.Board) []byte {
	b = append(b, '{')
	if e.id != "" {
		b = append(b, `"eventId":"`...)
		b = append(b, e.id...)
		b = append(b, `",`...)
	}
	b = append(b, `"type":"activity","orgId":`...)
	b = strconv.AppendInt(b, int64(board.Org), 10)
	b = append(b, `,"userId":`...)
	b = strconv.AppendInt(b, int64(e.user), 10)
	b = append(b, `,"targetGroupId":`...)
	b = strconv.AppendInt(b, int64(board.Group), 10)
	b = append(b, `,"targetRuleId":`...)
	b = strconv.AppendInt(b, int64(board.Rule), 10)
	b = append(b, `,"periodId":`...)
	b = strconv.AppendInt(b, int64(board.Period), 10)
	b = append(b, `,"value":`...)
	b, _ = e.value.AppendText(b)
	b = append(b, `,"activityTime":"`...)
	b = e.time.Time().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}
