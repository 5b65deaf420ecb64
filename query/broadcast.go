package query

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// broadcasts read what is shown to many for as long as somebody listens: each question
// again and again, once for all its listeners. Whoever is slow finds the latest
// edition when it comes back, and holds up nobody.
type broadcasts[Q comparable] struct {
	// read makes the answer of the moment. It bounds its own time, and is left early
	// when ctx ends.
	read func(ctx context.Context, q Q) ([]byte, error)
	// render makes the event of an answer, or of the error in its place.
	render func(body []byte, err error) []byte
	// pause lies between two readings of a question, and so between two editions.
	pause time.Duration

	mu    sync.Mutex
	onAir map[Q]*broadcast
}

// broadcast is that of one question.
type broadcast struct {
	listeners int
	stop      context.CancelFunc
	stopped   chan struct{}
	latest    *edition
}

// edition is what a question is answered with until that changes. The first one is
// empty: nothing has been read yet.
type edition struct {
	body  []byte
	err   error
	event []byte
	// replaced is closed when there is another one.
	replaced chan struct{}
}

func newBroadcasts[Q comparable](pause time.Duration, read func(context.Context, Q) ([]byte, error), render func([]byte, error) []byte) *broadcasts[Q] {
	return &broadcasts[Q]{read: read, render: render, pause: pause, onAir: map[Q]*broadcast{}}
}

// listen begins to listen; every call needs one of leave.
func (b *broadcasts[Q]) listen(q Q) *listener[Q] {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.onAir[q]
	if of == nil {
		ctx, stop := context.WithCancel(context.Background())
		of = &broadcast{stop: stop, stopped: make(chan struct{}), latest: &edition{replaced: make(chan struct{})}}
		b.onAir[q] = of
		go b.run(ctx, q, of)
	}
	of.listeners++
	return &listener[Q]{all: b, of: of, question: q}
}

// listener is one who listens to a question.
type listener[Q comparable] struct {
	all      *broadcasts[Q]
	of       *broadcast
	question Q
}

// latest is the edition of the moment.
func (l *listener[Q]) latest() *edition {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	return l.of.latest
}

// first waits for an edition that is not empty, or for ctx to end.
func (l *listener[Q]) first(ctx context.Context) (*edition, error) {
	e := l.latest()
	if e.event != nil {
		return e, nil
	}
	select {
	case <-e.replaced:
		return l.latest(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leave ends the reading when nobody else listens.
func (l *listener[Q]) leave() {
	l.all.mu.Lock()
	l.of.listeners--
	last := l.of.listeners == 0
	if last {
		delete(l.all.onAir, l.question)
	}
	l.all.mu.Unlock()
	if last {
		l.of.stop()
		<-l.of.stopped
	}
}

// run reads until nobody listens any more.
func (b *broadcasts[Q]) run(ctx context.Context, q Q, of *broadcast) {
	defer close(of.stopped)
	for ctx.Err() == nil {
		body, err := b.read(ctx, q)
		if ctx.Err() != nil {
			return
		}
		b.publish(of, body, err)
		select {
		case <-ctx.Done():
		case <-time.After(b.pause):
		}
	}
}

// publish makes an edition of what was read, unless it is what the latest one tells.
func (b *broadcasts[Q]) publish(of *broadcast, body []byte, err error) {
	before := of.latest // written by this goroutine alone
	if before.event != nil && (before.err == nil) == (err == nil) && bytes.Equal(before.body, body) {
		return
	}
	next := &edition{body: body, err: err, event: b.render(body, err), replaced: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	of.latest = next
	close(before.replaced)
}
