package projector

import (
	"context"
	"errors"
	"sync"
	"time"

	"leaderboard"
)

// shard writes to one shard what all partitions have for it, and remembers what it
// has read and written. What it remembers is right as long as the shard's version in
// Redis is the one it knows: whoever changes a board changes the version.
type shard struct {
	projector *Projector
	layout    leaderboard.Layout
	number    int

	mu sync.Mutex
	// waiting are tasks that nobody has begun, in the order in which they came.
	waiting []*task
	// isWritten is true while a goroutine writes. All below belongs to that one.
	isWritten bool

	// version is empty when nothing is remembered.
	version string
	// isDoubtful is true when others may have written since.
	isDoubtful bool
	// sharedUntil is until when other writers are to be told what is written.
	sharedUntil time.Time
	boards      map[leaderboard.Board]*board
	slab        slab
	// last is the board that was looked for last.
	last *board
	// cuts counts the cuts, to number them.
	cuts uint64
	pace pace
}

func newShard(p *Projector, l leaderboard.Layout, number int) *shard {
	return &shard{projector: p, layout: l, number: number, boards: map[leaderboard.Board]*board{}}
}

var (
	// errOvertaken says that another writer came between reading and writing.
	errOvertaken = errors.New("another writer was faster")
	// errHeld says that the shard's writers have to wait, see Hold.
	errHeld = errors.New("the shard is held")
	// errBehind says that other writers wrote before this one began.
	errBehind = errors.New("others have written meanwhile")
	// errAnew says that Redis is not where it was left: nothing is known of it.
	errAnew = errors.New("to be begun anew")
)

// begin hands a task over to be written. The caller waits for it with await.
func (s *shard) begin(ctx context.Context, t *task) {
	t.ended, t.done = ctx.Err, make(chan error, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, t)
	if !s.isWritten {
		s.isWritten = true
		// One caller's task is written together with others': its end is not theirs.
		go s.write(context.WithoutCancel(ctx))
	}
}

// await returns when the task is written. After an error the task says how far it
// has come.
func (t *task) await() error { return <-t.done }

// admit adds the tasks that have come meanwhile.
func (s *shard) admit(tasks []*task) []*task {
	s.mu.Lock()
	defer s.mu.Unlock()
	tasks = append(tasks, s.waiting...)
	s.waiting = nil
	return tasks
}

// rest is true when there is nothing to write any more; the next task then begins
// another writer.
func (s *shard) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isWritten = len(s.waiting) > 0
	return !s.isWritten
}

// write writes tasks until there are none. Whoever is overtaken holds the shard the
// next time: writers that have much to write take turns.
func (s *shard) write(ctx context.Context) {
	var tasks []*task
	overtaken := false
	for {
		tasks = withoutEnded(s.admit(tasks))
		if len(tasks) == 0 {
			if s.rest() {
				return
			}
			continue
		}
		var err error
		var written bool
		if !overtaken {
			tasks, written, err = s.attempt(ctx, tasks, false)
		} else {
			err = Hold(ctx, s.projector.redis, s.layout, s.number, func(ctx context.Context) (err error) {
				tasks, written, err = s.attempt(ctx, tasks, true)
				return err
			})
		}
		if written {
			overtaken = false
		}
		switch {
		case err == nil || errors.Is(err, errBehind) || errors.Is(err, errAnew):
		case errors.Is(err, errOvertaken):
			s.projector.metrics.conflicts.Inc()
			overtaken = true
		case errors.Is(err, errHeld):
			_ = pause(ctx) // which does not end
		default:
			for _, t := range tasks {
				t.done <- err
			}
			tasks = nil
		}
	}
}

// withoutEnded lets go of the tasks for which nobody waits much longer.
func withoutEnded(tasks []*task) []*task {
	kept := tasks[:0]
	for _, t := range tasks {
		if err := t.ended(); err != nil {
			t.done <- err
		} else {
			kept = append(kept, t)
		}
	}
	return kept
}

// attempt writes the tasks, and those that come meanwhile unless it is holding the
// shard. It gives those that are left, after an error, and tells whether anything
// was written. Every transaction goes through only if nobody has changed the shard
// since its state was looked at.
func (s *shard) attempt(ctx context.Context, tasks []*task, holding bool) (left []*task, written bool, err error) {
	session, err := s.projector.connect(ctx, s.layout, s.number)
	if err != nil {
		return tasks, false, s.projector.counted(err)
	}
	defer session.end()
	w := &writing{shard: s, session: session, holding: holding, tasks: tasks}
	if s.isDoubtful {
		err = s.catchUp(ctx, session, holding)
		w.caughtUp = true
	}
	if err == nil {
		s.isDoubtful = false
		err = w.run(ctx)
	}
	refused := errors.Is(err, errOvertaken) || errors.Is(err, errBehind) || errors.Is(err, errHeld)
	switch {
	case refused:
		w.undo()
		s.isDoubtful = true
	case err != nil:
		s.forget()
	}
	if err != nil {
		for _, t := range w.tasks {
			t.again()
		}
	}
	if err != nil || !w.clean {
		session.abandon(ctx)
	}
	if err != nil && !refused && !errors.Is(err, errAnew) {
		s.projector.lookForNodes(ctx)
	}
	return w.tasks, w.written, err
}
