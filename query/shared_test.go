package query

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// slowReader answers with the number of the reading, when it is let go.
type slowReader struct {
	mu    sync.Mutex
	begun int
	goOn  chan error
}

func (r *slowReader) read(context.Context, string) ([]byte, error) {
	r.mu.Lock()
	r.begun++
	body := []byte{byte(r.begun)}
	r.mu.Unlock()
	return body, <-r.goOn
}

// asker notes what each request was answered with.
type asker struct {
	shared *shared[string]
	mu     sync.Mutex
	bodies []byte
	errs   []error
}

func (a *asker) ask(ctx context.Context, question string) {
	go func() {
		body, err := a.shared.answer(ctx, question)
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil {
			a.errs = append(a.errs, err)
			return
		}
		a.bodies = append(a.bodies, body...)
	}()
	synctest.Wait()
}

func TestRequestsShareTheReadingThatBeginsAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowReader{goOn: make(chan error)}
		a := &asker{shared: newShared(r.read)}
		a.ask(t.Context(), "q")
		for range 3 {
			a.ask(t.Context(), "q")
		}
		if r.begun != 1 {
			t.Fatalf("%d readings have begun while the first goes on", r.begun)
		}
		r.goOn <- nil
		synctest.Wait()
		if r.begun != 2 || string(a.bodies) != "\x01" {
			t.Fatalf("after the first reading %d have begun and %v are answered", r.begun, a.bodies)
		}
		a.ask(t.Context(), "q")
		r.goOn <- nil
		synctest.Wait()
		if string(a.bodies) != "\x01\x02\x02\x02" {
			t.Errorf("answered with the readings %v", a.bodies)
		}
		failure := errors.New("failed")
		r.goOn <- failure
		synctest.Wait()
		if len(a.errs) != 1 || !errors.Is(a.errs[0], failure) || r.begun != 3 {
			t.Errorf("the last request's reading failed with %v, %d have begun", a.errs, r.begun)
		}
		if len(a.shared.next) != 0 {
			t.Errorf("%d questions are kept", len(a.shared.next))
		}
	})
}

func TestRequestGivesUpAloneWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &slowReader{goOn: make(chan error)}
		a := &asker{shared: newShared(r.read)}
		ctx, cancel := context.WithCancel(t.Context())
		a.ask(t.Context(), "q")
		a.ask(ctx, "q")
		a.ask(t.Context(), "q")
		a.ask(t.Context(), "another")
		if r.begun != 2 {
			t.Fatalf("%d readings of two questions have begun", r.begun)
		}
		cancel()
		synctest.Wait()
		if len(a.errs) != 1 || !errors.Is(a.errs[0], context.Canceled) {
			t.Fatalf("errors %v", a.errs)
		}
		for range 3 {
			r.goOn <- nil
			synctest.Wait()
		}
		if len(a.bodies) != 3 || len(a.errs) != 1 {
			t.Errorf("answered with %v, errors %v", a.bodies, a.errs)
		}
	})
}
