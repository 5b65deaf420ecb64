package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	// readTime is how long a client may take to send its request, and sendTime to
	// take in the answer.
	readTime, sendTime = 15 * time.Second, 10 * time.Second
	// drainTime is how long answers under way may take after the signal to end.
	drainTime = 10 * time.Second
)

// Listen binds the address for the endpoint of that name and logs where it is;
// port 0 takes a free one. Setting says where the address came from: --flag (VARIABLE).
func Listen(name, setting, address string, log *slog.Logger) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen where %s says: %w", setting, err)
	}
	log.Info("listening", "name", name, "addr", listener.Addr().String())
	return listener, nil
}

// serveHTTP serves until ctx ends, then lets the answers under way finish. The
// handler takes no longer than answerTime for an answer.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, answerTime time.Duration, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       readTime,
		WriteTimeout:      readTime + answerTime + sendTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
