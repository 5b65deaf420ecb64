package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// writing is one attempt to write tasks: cut by cut, each a transaction that goes
// through only if nobody else has written since the shard was looked at. While Redis
// executes one cut the next is on its way, the one after it is folded, and what the
// following ones need is read.
type writing struct {
	shard   *shard
	session *session
	holding bool

	// tasks are those that are not written whole, in order.
	tasks []*task
	// windows are being read; steps can be folded.
	windows []*window
	steps   []step
	// ahead are the cuts that are folded and not written, the first one queued in
	// an open transaction or to be sent next.
	ahead []*cut
	// written is true when a cut was, caughtUp when what is remembered was made right
	// just before.
	written, caughtUp bool
	// clean is true when no transaction is open and nothing is watched.
	clean bool
}

const (
	// cutsAhead is how many cuts are folded before they are sent.
	cutsAhead = 2
	// stepsAhead is for how many cuts there are to be records that can be folded, or
	// are being read: those of the exchanges that reading takes.
	stepsAhead = 6
)

func (w *writing) run(ctx context.Context) error {
	for w.begin() {
		w.fold(cutsAhead)
		if err := w.exchange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin takes in the tasks that have come. It is false when there is nothing to do:
// what was begun to be read has to be read, for it is remembered.
func (w *writing) begin() bool {
	if !w.holding {
		w.tasks = w.shard.admit(w.tasks)
	}
	for _, t := range w.tasks {
		if t.seen == nil {
			t.seen = newSightings(w.shard.layout, w.shard.number, t.partition, w.shard.projector.window)
		}
	}
	return len(w.tasks)+len(w.windows) > 0
}

// fold folds cuts until there are so many, as far as there are records for them.
func (w *writing) fold(cuts int) {
	for len(w.ahead) < cuts && len(w.steps) > 0 {
		c := w.shard.newCut(w.steps)
		w.steps = w.steps[c.records:]
		w.ahead = append(w.ahead, c)
	}
}

// undo makes what is remembered as it is in Redis, as far as this writer knows.
func (w *writing) undo() {
	for _, c := range slices.Backward(w.ahead) {
		c.undo()
	}
	for _, window := range w.windows {
		window.undo(w.shard)
	}
}

// open opens windows until enough records are ahead.
func (w *writing) open() {
	ahead, enough := len(w.steps), stepsAhead*w.shard.pace.cutWeight()
	for _, window := range w.windows {
		ahead += len(window.steps)
	}
	for _, t := range w.tasks {
		for t.looked < len(t.records) && ahead < enough && w.isRoom() {
			window := w.shard.open(t)
			w.windows = append(w.windows, window)
			ahead += len(window.steps)
		}
	}
	w.close()
}

// close takes the windows that are ready.
func (w *writing) close() {
	for len(w.windows) > 0 && w.windows[0].isReady() {
		w.steps = append(w.steps, w.windows[0].due()...)
		w.windows = w.windows[1:]
	}
}

// isRoom is false when as much is remembered as may be. Then all has to be written
// before the writer can forget what it knows, and go on.
func (w *writing) isRoom() bool {
	p := w.shard.projector
	if p.remembered.Load() < p.config.RememberEntries {
		return true
	}
	if len(w.ahead)+len(w.steps)+len(w.windows) > 0 {
		return false
	}
	p.boards.forgetIdle()
	if p.remembered.Load() >= p.config.RememberEntries {
		version := w.shard.version
		w.shard.forget()
		w.shard.version = version
	}
	return true
}

// exchange executes the first cut, and queues the next one.
func (w *writing) exchange(ctx context.Context) error {
	var current, next *cut
	if len(w.ahead) > 0 {
		current = w.ahead[0]
	}
	if len(w.ahead) > 1 {
		next = w.ahead[1]
	}
	var following *look
	if w.isMore() {
		w.open()
		following = &look{tasks: slices.Clone(w.tasks), windows: slices.Clone(w.windows)}
	}
	var queued []*redis.Cmd
	var exec *redis.Cmd
	p := w.session.pipeline(ctx)
	if current == nil {
		p.do("unwatch")
	} else {
		if !current.queued {
			queued = w.queue(p, current, w.shard.version)
		}
		exec = p.do("exec")
	}
	if following != nil {
		following.fill(p, w.shard, w.holding)
	}
	if next != nil {
		queued = append(queued, w.queue(p, next, current.version)...)
	}
	writers := &w.shard.projector.writers
	if current != nil {
		writers.Add(1)
	}
	prepared := make(chan struct{})
	go func() {
		defer close(prepared)
		w.fold(cutsAhead + 1)
		w.open()
	}()
	// Redis stands idle from its answer to the next EXEC: what waits for the answer
	// is what goes on.
	start := time.Now()
	err := w.session.send(p)
	took := time.Since(start)
	<-prepared
	if current != nil {
		w.shard.pace.learn(current.weight, took, writers.Add(-1)+1)
	}
	if err != nil {
		return w.shard.projector.counted(err)
	}
	if current != nil {
		if err := outcomeOf(exec); err != nil {
			return err
		}
		w.done(current)
	}
	if following == nil {
		w.clean = true
		return nil
	}
	w.clean = false
	for _, command := range queued {
		if err := command.Err(); err != nil {
			return w.shard.projector.counted(err) // and Redis is going to refuse the next one
		}
	}
	return w.take(following)
}

// isMore tells whether there is more to write than the first cut.
func (w *writing) isMore() bool {
	due := 0
	for _, t := range w.tasks {
		due += len(t.records)
	}
	return len(w.ahead) == 0 || due > w.ahead[0].records
}

// done takes note that the first cut was written.
func (w *writing) done(c *cut) {
	w.ahead = w.ahead[1:]
	w.shard.version = c.version
	w.written = true
	w.shard.projector.metrics.transactionEntries.Observe(float64(c.weight))
	for _, p := range c.parts {
		p.task.written(p)
	}
	w.finish()
}

// finish lets go of the tasks that are written whole.
func (w *writing) finish() {
	w.tasks = slices.DeleteFunc(w.tasks, func(t *task) bool {
		if len(t.records) > 0 {
			return false
		}
		t.done <- nil
		return true
	})
}

// queue opens a transaction that writes a cut onto a version of the shard.
func (w *writing) queue(p *pipeline, c *cut, from string) []*redis.Cmd {
	s := w.shard
	c.queued = true
	queued := []*redis.Cmd{p.do("multi")}
	for _, command := range c.commands {
		queued = append(queued, p.do(command...))
	}
	for _, part := range c.parts {
		queued = append(queued, p.do("hset", s.layout.FenceKey(s.number), part.task.partition, part.to))
	}
	key := s.layout.JournalKey(s.number)
	switch {
	case c.erases:
		queued = append(queued, p.do("del", key))
	case c.journal != nil:
		queued = append(queued, p.do("lpush", key, c.journalEntry(from)), p.do("ltrim", key, 0, journalLength-1), p.do("pexpire", key, journalTime.Milliseconds()))
	}
	return append(queued, p.do("set", s.layout.VersionKey(s.number), c.version))
}

// look is a look at the state of the shard, which is watched from then on, and at
// what windows lack.
type look struct {
	tasks   []*task
	windows []*window

	watch, version, hold, fences *redis.Cmd
	takes                        []func() error
}

// fill adds the commands of the look. Fences need not be watched: whoever moves one
// for other records than those of a transaction changes the version, or passes over
// what does not concern the shard. Nor need its own hold a writer.
func (l *look) fill(p *pipeline, s *shard, holding bool) {
	version, hold := s.layout.VersionKey(s.number), s.layout.HoldKey(s.number)
	if holding {
		l.watch = p.do("watch", version)
	} else {
		l.watch = p.do("watch", version, hold)
	}
	l.version = p.do("get", version)
	l.hold = p.do("exists", hold)
	partitions := make([]any, len(l.tasks))
	for i, t := range l.tasks {
		partitions[i] = t.partition
	}
	l.fences = p.hmget(s.layout.FenceKey(s.number), partitions)
	for _, window := range l.windows {
		l.takes = append(l.takes, window.read(p, s)...)
	}
}

// take makes the records of a look ready to be folded.
func (w *writing) take(l *look) error {
	if err := w.confirm(l); err != nil {
		return err
	}
	for _, take := range l.takes {
		if err := take(); err != nil {
			return w.shard.projector.counted(err)
		}
	}
	for _, window := range l.windows {
		window.reading = false
	}
	w.finish()
	w.close()
	return nil
}

// confirm makes sure that nobody else has written since the last transaction, and
// that Redis stands where the tasks expect it.
func (w *writing) confirm(l *look) error {
	s := w.shard
	version, fences, held, err := l.state()
	if err != nil {
		return s.projector.counted(err)
	}
	var again error
	for i, t := range l.tasks {
		if len(t.records) == 0 {
			continue // it was written meanwhile
		}
		switch {
		case fences[i] < t.fence:
			again = errAnew
			w.tasks = slices.DeleteFunc(w.tasks, func(other *task) bool { return other == t })
			t.done <- fmt.Errorf("the fence of partition %d is at %d instead of %d: %w", t.partition, fences[i], t.fence, leaderboard.ErrTailLost)
		case t.confirmed && fences[i] != t.fence:
			again = errOvertaken
		case !t.confirmed:
			t.repeated(fences[i])
			t.confirmed = true
		}
	}
	switch {
	case again != nil:
		return again
	case held && !w.holding:
		return errHeld
	case s.version == "":
		s.version = version
	case version == s.version:
	case w.written || w.caughtUp:
		return errOvertaken
	default:
		return errBehind
	}
	return nil
}

// noVersion stands for that of a shard that nobody has written to.
const noVersion = "none"

func versionOf(get *redis.Cmd) (string, error) {
	version, err := get.Text()
	if errors.Is(err, redis.Nil) {
		return noVersion, nil
	}
	return version, err
}

// state gives the answers of a look; a fence that is not there is -1.
func (l *look) state() (version string, fences []int64, held bool, err error) {
	if err := l.watch.Err(); err != nil {
		return "", nil, false, err
	}
	if version, err = versionOf(l.version); err != nil {
		return "", nil, false, err
	}
	if held, err = l.hold.Bool(); err != nil {
		return "", nil, false, err
	}
	texts, err := l.fences.Slice()
	if err != nil {
		return "", nil, false, err
	}
	fences = make([]int64, len(texts))
	for i, text := range texts {
		fences[i] = -1
		if text, known := text.(string); known {
			if fences[i], err = strconv.ParseInt(text, 10, 64); err != nil {
				return "", nil, false, err
			}
		}
	}
	return version, fences, held, nil
}

// outcomeOf tells what became of a transaction.
func outcomeOf(exec *redis.Cmd) error {
	answers, err := exec.Slice()
	if errors.Is(err, redis.Nil) {
		return errOvertaken
	}
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if err, failed := answer.(error); failed {
			return fmt.Errorf("a part of what was written is not on its board, leaderboard verify --repair mends it: %w", err)
		}
	}
	return nil
}
