package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// writing is one attempt to write a task: cut by cut, each a transaction that goes
// through only if nobody else has written since the shard was looked at. While Redis
// executes one cut the next is on its way, the one after it is folded, and what the
// following ones need is read.
type writing struct {
	shard   *shard
	session *session
	task    *task
	holding bool
	seen    *sightings

	// rest are the records that were not looked at; steps those that can be folded.
	rest  []leaderboard.Record
	steps []step
	// ahead are the cuts that are folded and not written, the first one queued in
	// an open transaction or to be sent next.
	ahead []*cut
	// reading is the window that is being read, ahead of rest; opened the one after it.
	reading, opened *window
	// clean is true when no transaction is open and nothing is watched.
	clean bool
}

// stepsAhead is how many records are to be ready to be folded.
const stepsAhead = 3 * maxCutWeight

func (w *writing) run(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			w.undo()
		}
	}()
	if err := w.begin(ctx); err != nil {
		return err
	}
	for len(w.task.records) > 0 {
		w.fold(2)
		if err := w.exchange(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undo takes back what is remembered and was not written or read after all.
func (w *writing) undo() {
	for _, c := range slices.Backward(w.ahead) {
		c.undo()
	}
	for _, window := range []*window{w.opened, w.reading} {
		if window != nil {
			w.shard.close(window)
		}
	}
}

// begin looks at the shard for the first time.
func (w *writing) begin(ctx context.Context) error {
	s := w.shard
	if s.version == "" || s.projector.remembered.Load() > s.projector.config.RememberEntries {
		s.forget()
	}
	for {
		look := w.look()
		if err := w.session.exchange(ctx, func(p *pipeline) {
			p.do("unwatch")
			w.fill(p, look)
		}); err != nil {
			return s.projector.counted(err)
		}
		due := len(w.task.records)
		version, err := look.state.check(w.task, w.holding)
		if err != nil {
			return err
		}
		if s.version != "" && version != s.version {
			s.forget() // others have written: what was remembered is of yesterday
			w.reading, w.rest = nil, w.task.records
			continue
		}
		s.version = version
		if err := w.take(look); err != nil {
			return err
		}
		repeated := due - len(w.task.records)
		ready := min(repeated, len(w.steps))
		w.steps, w.rest = w.steps[ready:], w.rest[repeated-ready:]
		if len(w.steps) > 0 || len(w.rest) == 0 {
			return nil
		}
	}
}

// fold folds cuts until there are so many, as far as there are records for them.
func (w *writing) fold(cuts int) {
	for len(w.ahead) < cuts && len(w.steps) > 0 {
		to := w.task.to
		if len(w.rest) > 0 {
			to = w.rest[0].Offset
		}
		c := w.shard.newCut(w.steps, to, w.seen)
		w.steps = w.steps[c.records:]
		w.ahead = append(w.ahead, c)
	}
}

// exchange executes the first cut, and queues the next one.
func (w *writing) exchange(ctx context.Context) error {
	s := w.shard
	current := w.ahead[0]
	var next *cut
	if len(w.ahead) > 1 {
		next = w.ahead[1]
	}
	var following *look
	if next != nil || len(w.rest) > 0 {
		following = w.look() // it opens a window whenever nothing is left to be folded
	}
	var queued []*redis.Cmd
	var exec *redis.Cmd
	sent := make(chan error, 1)
	go func() {
		sent <- w.session.exchange(ctx, func(p *pipeline) {
			if !current.queued {
				queued = append(queued, w.queue(p, current)...)
			}
			exec = p.do("exec")
			if following != nil {
				w.fill(p, following)
			}
			if next != nil {
				queued = append(queued, w.queue(p, next)...)
			}
		})
	}()
	w.fold(3)
	w.open()
	if err := <-sent; err != nil {
		return s.projector.counted(err)
	}
	if err := outcomeOf(exec); err != nil {
		return err
	}
	s.version = current.version
	w.task.done(current)
	w.ahead = w.ahead[1:]
	s.projector.metrics.transactionEntries.Observe(float64(current.weight))
	if following == nil {
		w.clean = true
		return nil
	}
	for _, command := range queued {
		if err := command.Err(); err != nil {
			return s.projector.counted(err) // and Redis is going to refuse the next one
		}
	}
	if err := w.confirm(following.state); err != nil {
		return err
	}
	return w.take(following)
}

// queue opens a transaction that writes a cut.
func (w *writing) queue(p *pipeline, c *cut) []*redis.Cmd {
	s := w.shard
	c.queued = true
	queued := []*redis.Cmd{p.do("multi")}
	for _, command := range c.commands {
		queued = append(queued, p.do(command...))
	}
	return append(queued,
		p.do("hset", s.layout.FenceKey(s.number), w.task.partition, c.to),
		p.do("set", s.layout.VersionKey(s.number), c.version))
}

// confirm makes sure that nobody else has written since the last transaction.
func (w *writing) confirm(state watched) error {
	fence := w.task.fence
	version, err := state.check(w.task, w.holding)
	if err == nil && (version != w.shard.version || w.task.fence != fence) {
		err = errOvertaken
	}
	return err
}

// look is a look at the state of the shard, which is watched from then on, and at
// what the next records need.
type look struct {
	window *window
	state  watched
	takes  []func() error
}

func (w *writing) look() *look {
	w.open()
	w.reading, w.opened = w.opened, nil
	return &look{window: w.reading}
}

// open opens the next window, unless enough records are ready to be folded.
func (w *writing) open() {
	ahead := 0
	if w.reading != nil {
		ahead = len(w.reading.steps)
	}
	if w.opened == nil && len(w.steps)+ahead < stepsAhead && len(w.rest) > ahead {
		w.opened = w.shard.open(w.rest[ahead:], w.seen != nil)
	}
}

func (w *writing) fill(p *pipeline, l *look) {
	l.state = w.shard.watch(p, w.task.partition)
	if l.window == nil {
		return
	}
	l.takes = w.shard.read(p, l.window)
	if w.seen != nil {
		l.takes = append(l.takes, w.seen.read(p, l.window.events)...)
	}
}

// take makes the records of a look ready to be folded.
func (w *writing) take(l *look) error {
	for _, take := range l.takes {
		if err := take(); err != nil {
			return w.shard.projector.counted(err)
		}
	}
	if l.window != nil {
		w.steps = append(w.steps, l.window.steps...)
		w.rest = w.rest[len(l.window.steps):]
		w.reading = nil
	}
	return nil
}

// watched is the state of a shard that is watched from then on.
type watched struct{ watch, version, fence, hold *redis.Cmd }

func (s *shard) watch(p *pipeline, partition int) watched {
	version, fence := s.layout.VersionKey(s.number), s.layout.FenceKey(s.number)
	return watched{
		watch:   p.do("watch", version, fence),
		version: p.do("get", version),
		fence:   p.do("hget", fence, partition),
		hold:    p.do("exists", s.layout.HoldKey(s.number)),
	}
}

// check compares the state with what a task expects.
func (w watched) check(t *task, holding bool) (version string, err error) {
	if err := w.watch.Err(); err != nil {
		return "", err
	}
	if version, err = w.version.Text(); err != nil && !errors.Is(err, redis.Nil) {
		return "", err
	}
	held, err := w.hold.Bool()
	if err != nil {
		return "", err
	}
	fence, err := w.fence.Int64()
	switch {
	case errors.Is(err, redis.Nil):
		fence = -1
	case err != nil:
		return "", err
	}
	switch {
	case fence < t.fence:
		return "", fmt.Errorf("the fence of partition %d is at %d instead of %d: %w", t.partition, fence, t.fence, leaderboard.ErrTailLost)
	case held && !holding:
		return "", errHeld
	}
	t.repeated(fence)
	return version, nil
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
