package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Times after which a lane that does not turn over is called stuck. Every request
// has a deadline, so only a defect makes a lane that slow; an absent server does not.
const (
	stuckNotReady = time.Minute
	stuckFatal    = 2 * time.Minute
)

// laneHealth is what the watchdog and readiness see of a lane.
type laneHealth struct {
	alive    atomic.Int64 // Unix seconds of the last turn
	fetching lastError
	handling lastError
}

func (h *laneHealth) turn() { h.alive.Store(time.Now().Unix()) }

func (h *laneHealth) idle() time.Duration { return time.Since(time.Unix(h.alive.Load(), 0)) }

// lastError is the error of the last attempt, nil when it succeeded.
type lastError struct{ value atomic.Pointer[error] }

func (l *lastError) set(err error) {
	if err == nil {
		l.value.Store(nil)
		return
	}
	l.value.Store(&err)
}

func (l *lastError) get() error {
	if err := l.value.Load(); err != nil {
		return *err
	}
	return nil
}

// health is the state of the whole consumer.
type health struct {
	catalogLoaded atomic.Bool
	joined        atomic.Bool
	kafka         lastError

	mu    sync.Mutex
	lanes map[string]*laneHealth
}

func newHealth() *health { return &health{lanes: map[string]*laneHealth{}} }

// lane registers a lane; call the function returned when it has ended.
func (h *health) lane(p partition) (*laneHealth, func()) {
	key := fmt.Sprintf("%s/%d", p.topic, p.id)
	l := &laneHealth{}
	l.turn()
	l.handling.set(errors.New("not resumed yet"))
	h.mu.Lock()
	h.lanes[key] = l
	h.mu.Unlock()
	return l, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.lanes[key] == l {
			delete(h.lanes, key)
		}
	}
}

// ready is nil when the consumer does its work, else it names what is missing.
func (h *health) ready() error {
	if err := h.kafka.get(); err != nil {
		return err
	}
	if !h.catalogLoaded.Load() {
		return errors.New("the catalog topic is not read to its end yet")
	}
	if !h.joined.Load() {
		return errors.New("the consumer group is not joined yet")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, l := range h.lanes {
		if err := errors.Join(l.fetching.get(), l.handling.get()); err != nil {
			return fmt.Errorf("partition %s: %w", name, err)
		}
		if idle := l.idle(); idle > stuckNotReady {
			return fmt.Errorf("partition %s: no progress for %s", name, idle.Round(time.Second))
		}
	}
	return nil
}

// watch returns an error when a lane is stuck, so that the process ends and is
// started again.
func (h *health) watch(ctx context.Context) error {
	ticker := time.NewTicker(stuckNotReady / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		h.mu.Lock()
		for name, l := range h.lanes {
			if idle := l.idle(); idle > stuckFatal {
				h.mu.Unlock()
				return fmt.Errorf("partition %s is stuck: no progress for %s", name, idle.Round(time.Second))
			}
		}
		h.mu.Unlock()
	}
}
