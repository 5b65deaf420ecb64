package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// machine runs one server: a process or a container. From one start to the next
// it keeps its port and its data.
type machine interface {
	// start returns once the server is on its way, before it is ready.
	start(ctx context.Context) error
	// running says whether the server has not ended yet.
	running() bool
	// signal returns, after SIGTERM and SIGKILL, when the server has ended.
	signal(ctx context.Context, sig syscall.Signal) error
	// log is the end of what the server has said.
	log() string
	// remove ends the server without ceremony and takes its data away.
	remove() error
}

// server is a machine, where it listens, and how to see that it can be used.
type server struct {
	machine
	addr  string
	ready func(ctx context.Context) error
}

const (
	startLimit   = 90 * time.Second
	stopLimit    = 60 * time.Second
	readyLimit   = 2 * time.Second
	readyBetween = 20 * time.Millisecond
	portAttempts = 4
)

// errEnded says that a server ended while it was starting.
var errEnded = errors.New("ended while it was starting")

// start starts the server and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.machine.start(ctx); err != nil {
		return err
	}
	for {
		err := s.isReady(ctx)
		switch {
		case err == nil:
			return nil
		case !s.running():
			return fmt.Errorf("the server at %s %w; the end of its log:\n%s", s.addr, errEnded, s.log())
		case ctx.Err() != nil:
			return fmt.Errorf("the server at %s is not ready after %s: %w; the end of its log:\n%s", s.addr, startLimit, err, s.log())
		}
		time.Sleep(readyBetween)
	}
}

func (s *server) isReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	// A plain connection first: the clients' libraries log every refused one.
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	return errors.Join(connection.Close(), s.ready(ctx))
}

// launch starts a new server on a free port. Ports are free only until somebody
// takes them, so a server that ends at once is tried on another one.
func launch(ctx context.Context, build func(port int) (*server, error)) (*server, error) {
	for attempt := 1; ; attempt++ {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		s, err := build(port)
		if err != nil {
			return nil, err
		}
		if err = s.start(ctx); err == nil {
			return s, nil
		}
		err = errors.Join(err, s.remove())
		if attempt == portAttempts || !errors.Is(err, errEnded) {
			return nil, err
		}
	}
}

// FreePort finds a loopback port below the range that outgoing connections are
// given: those must not take the port of a server that is stopped for a while.
func FreePort() (int, error) {
	const low, high = 15000, 30000
	var err error
	for range 100 {
		port := low + rand.IntN(high-low)
		var listener net.Listener
		if listener, err = net.Listen("tcp", loopback(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d: %w", low, high, err)
}

// FreeAddress is a loopback address at which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return loopback(port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

var announced sync.Map

// announce prints a line about a kind of server the first time it is used.
func announce(kind, format string, args ...any) {
	if _, known := announced.LoadOrStore(kind, true); !known {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}
