package consumer

import (
	"context"
	"fmt"
	"slices"
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
	refused   *Refused
	metrics   *metrics

	// judged is the first offset whose dead letter may not be written yet.
	judged int64
	// unsure is true when dead letters may have been written that nobody knows of.
	unsure bool
	// counting is used again for every batch.
	counting []leaderboard.Record
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
	return progress.Next, a.refused.CatchUp(ctx, 0)
}

// lookEvery is the time after which dead letters are looked for again: the
// projector of another generation that is ahead may have written some.
const lookEvery = time.Second

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
	ago := lookEvery
	if a.unsure {
		ago = 0
	}
	if err := a.refused.CatchUp(ctx, ago); err != nil {
		return err
	}
	a.unsure = false
	sorted, err := a.sort(ctx, records)
	if err != nil {
		return err
	}
	a.counting = sorted.counting
	if err := a.bury(ctx, sorted.rejected); err != nil {
		return err
	}
	a.judged = max(a.judged, to)
	batch := leaderboard.Batch{Partition: a.partition.id, From: from, To: to, Records: sorted.counting}
	outcome, err := a.boards.Apply(ctx, batch)
	if err != nil {
		return err
	}
	a.count(batch, outcome, sorted.others)
	return nil
}

// sorted are the records of a batch by what is to become of them.
type sorted struct {
	counting []leaderboard.Record
	rejected []verdict
	// others are how many do not count for which reason, besides those rejected.
	others map[outcome]int
}

func (a *activities) sort(ctx context.Context, records []verdict) (sorted, error) {
	s := sorted{counting: slices.Grow(a.counting[:0], len(records)), others: map[outcome]int{}}
	resolve := a.resolver(ctx)
	for _, v := range records {
		offset := v.message.offset
		unjudged := offset >= a.judged
		if a.refused.Contains(a.partition.id, offset) {
			if unjudged {
				s.others[outcomeRefused]++
			}
			continue
		}
		if v.rejection == nil {
			record, why, rejection, err := resolve(v.activity)
			if err != nil {
				return s, err
			}
			v.rejection = rejection
			if why != NotPassed {
				s.others[outcome(why)]++
			}
			if record.Type != "" {
				record.Offset, record.Published = offset, v.message.published
				s.counting = append(s.counting, record)
			}
		}
		if v.rejection != nil && unjudged {
			s.rejected = append(s.rejected, v)
		}
	}
	return s, nil
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
		a.unsure = true // some may have been written
		return fmt.Errorf("write %d dead letters to topic %s: %w", len(letters), a.letters.Topic, err)
	}
	for _, v := range rejected {
		a.refused.add(a.partition.id, v.message.offset)
		a.metrics.deadLetters.WithLabelValues(string(v.rejection.Reason)).Inc()
	}
	a.metrics.count(outcomeDeadLetter, len(letters))
	return nil
}

func (a *activities) count(b leaderboard.Batch, o leaderboard.Outcome, others map[outcome]int) {
	a.metrics.count(outcomeApplied, o.Applied)
	a.metrics.count(outcomeRepeated, o.Repeated)
	a.metrics.count(outcomeStale, o.Stale)
	a.metrics.count(outcomeDuplicate, o.Duplicated)
	for what, n := range others {
		a.metrics.count(what, n)
	}
	a.metrics.batchRecords.Observe(float64(len(b.Records)))
	now, latest := leaderboard.MillisOf(time.Now()), leaderboard.Millis(0)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Type != leaderboard.TypePassedOver && r.Type != leaderboard.TypeErase { // an erasure may find no board
			latest = max(latest, r.Published)
		}
		a.metrics.activityAge.Observe(float64(now-r.Published) / 1000)
	}
	if o.Applied > 0 {
		a.metrics.setAppliedTime(a.partition, latest)
	}
}
