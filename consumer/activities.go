package consumer

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard"
)

// Boards is where activities are folded. One goroutine serves a partition;
// different partitions are served at once. Every method may be called again with
// the same arguments after an error.
type Boards interface {
	// Resume begins a partition of which the log holds an extent: it reads how
	// far the boards have come.
	Resume(ctx context.Context, log leaderboard.Extent) (leaderboard.Progress, error)
	// Apply folds a batch. Batches follow each other without a gap from where
	// the partition was resumed. What is on the boards already is not applied
	// again. An error that wraps leaderboard.ErrTailLost asks for Resume.
	Apply(ctx context.Context, b leaderboard.Batch) (leaderboard.Outcome, error)
	// Sync moves the boards that no record concerned to an offset, as far as
	// the batches applied reach, and tells how far all have come.
	Sync(ctx context.Context, partition int, to int64) (leaderboard.Progress, error)
}

// activities is the handler of one partition of the activities topic.
type activities struct {
	partition partition
	boards    Boards
	catalog   *catalog
	letters   *kafka.Writer
	metrics   *metrics

	// judged is the first offset whose dead letter may not be written yet.
	judged int64
}

// verdict is a message with what decoding said of it.
type verdict struct {
	message   message
	activity  leaderboard.Activity
	rejection *Rejection
}

func (a *activities) resume(ctx context.Context, log leaderboard.Extent) (int64, error) {
	progress, err := a.boards.Resume(ctx, log)
	if err != nil {
		return 0, err
	}
	a.judged = progress.Judged
	return progress.Next, nil
}

func (a *activities) sync(ctx context.Context, to int64) (int64, error) {
	progress, err := a.boards.Sync(ctx, a.partition.id, to)
	return progress.Next, err
}

func (a *activities) decode(m message) verdict {
	activity, err := DecodeActivity(m.value, m.published)
	if err != nil {
		return verdict{message: m, rejection: err.(*Rejection)} //nolint:errorlint // DecodeActivity returns nothing else
	}
	if activity.EventID == "" {
		for _, h := range m.headers {
			if h.Key == HeaderOrigin {
				activity.EventID = string(h.Value)
			}
		}
	}
	// Only a dead letter needs the record as it came, and an activity may still
	// become one.
	return verdict{message: m, activity: activity}
}

func (a *activities) handle(ctx context.Context, from, to int64, records []verdict) error {
	batch := leaderboard.Batch{Partition: a.partition.id, From: from, To: to, Records: make([]leaderboard.Record, 0, len(records))}
	var rejected []verdict
	passedOver := map[PassedOver]int{}
	resolve := a.resolver(ctx)
	for _, v := range records {
		if v.rejection == nil {
			record, why, rejection, err := resolve(v.activity)
			switch {
			case err != nil:
				return err
			case rejection != nil:
				v.rejection = rejection
			default:
				if why != NotPassed {
					passedOver[why]++
				}
				if record.Type != "" {
					record.Offset, record.Published = v.message.offset, v.message.published
					batch.Records = append(batch.Records, record)
				}
				continue
			}
		}
		if v.message.offset >= a.judged {
			rejected = append(rejected, v)
		}
	}
	if err := a.bury(ctx, rejected); err != nil {
		return err
	}
	a.judged = max(a.judged, to)
	outcome, err := a.boards.Apply(ctx, batch)
	if err != nil {
		return err
	}
	a.count(batch, outcome, passedOver)
	return nil
}

// resolver resolves the activities of one batch. The first target that is unknown
// brings the catalog up to its present end, which is after everything that was
// acknowledged before the batch was published; so one time is enough.
func (a *activities) resolver(ctx context.Context) func(leaderboard.Activity) (leaderboard.Record, PassedOver, *Rejection, error) {
	current, caughtUp := a.catalog.current(), false
	return func(activity leaderboard.Activity) (leaderboard.Record, PassedOver, *Rejection, error) {
		record, why, rejection := Resolve(current, activity)
		if rejection == nil || caughtUp {
			return record, why, rejection, nil
		}
		newest, err := a.catalog.catchUp(ctx)
		if err != nil {
			return record, why, nil, err
		}
		current, caughtUp = newest, true
		record, why, rejection = Resolve(current, activity)
		return record, why, rejection, nil
	}
}

// bury writes the dead letters of a batch.
func (a *activities) bury(ctx context.Context, rejected []verdict) error {
	if len(rejected) == 0 {
		return nil
	}
	now := time.Now()
	letters := make([]kafka.Message, len(rejected))
	for i, v := range rejected {
		letters[i] = deadLetter(a.partition, v.message, v.rejection, now)
	}
	if err := a.letters.WriteMessages(ctx, letters...); err != nil {
		return fmt.Errorf("write %d dead letters to topic %s: %w", len(letters), a.letters.Topic, err)
	}
	for _, v := range rejected {
		a.metrics.deadLetters.WithLabelValues(string(v.rejection.Reason)).Inc()
	}
	a.metrics.count(outcomeDeadLetter, len(letters))
	return nil
}

func (a *activities) count(b leaderboard.Batch, o leaderboard.Outcome, passedOver map[PassedOver]int) {
	a.metrics.count(outcomeApplied, o.Applied)
	a.metrics.count(outcomeRepeated, o.Repeated)
	a.metrics.count(outcomeStale, o.Stale)
	a.metrics.count(outcomeDuplicate, o.Duplicated)
	for why, n := range passedOver {
		a.metrics.count(outcome(why), n)
	}
	a.metrics.batchRecords.Observe(float64(len(b.Records)))
	now := leaderboard.MillisOf(time.Now())
	for i := range b.Records {
		a.metrics.activityAge.Observe(float64(now-b.Records[i].Published) / 1000)
	}
}
