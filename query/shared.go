package query

import (
	"context"
	"sync"
)

// shared answers the requests that ask the same at the same time with one answer.
// Nothing is kept: an answer is for those who were there before the reading of it
// began, so that it is never older than the request. Whoever comes later waits for
// the next reading, of which there is one at a time for each question.
type shared[Q comparable] struct {
	// read makes an answer. It bounds its own time; ctx has no end, and the values of
	// the first request that waits.
	read func(ctx context.Context, q Q) ([]byte, error)

	mu sync.Mutex
	// next is, for each question that is being read, the reading after that one;
	// nil while nobody waits for it.
	next map[Q]*reading
}

// reading is an answer to be; body and err are there once done is closed.
type reading struct {
	ctx  context.Context
	done chan struct{}
	body []byte
	err  error
}

func newShared[Q comparable](read func(context.Context, Q) ([]byte, error)) *shared[Q] {
	return &shared[Q]{read: read, next: map[Q]*reading{}}
}

// answer is the question's answer, which the caller must not change, or ctx's error
// when that ends first.
func (s *shared[Q]) answer(ctx context.Context, q Q) ([]byte, error) {
	r := s.join(ctx, q)
	select {
	case <-r.done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// join is the first reading of the question that has not begun.
func (s *shared[Q]) join(ctx context.Context, q Q) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, running := s.next[q]
	if r != nil {
		return r
	}
	r = &reading{ctx: context.WithoutCancel(ctx), done: make(chan struct{})}
	if running {
		s.next[q] = r
	} else {
		s.next[q] = nil
		go s.run(q, r)
	}
	return r
}

// run reads until nobody waits any more.
func (s *shared[Q]) run(q Q, r *reading) {
	for r != nil {
		r.body, r.err = s.read(r.ctx, q)
		close(r.done)
		r = s.advance(q)
	}
}

func (s *shared[Q]) advance(q Q) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.next[q]
	if r != nil {
		s.next[q] = nil
	} else {
		delete(s.next, q)
	}
	return r
}
