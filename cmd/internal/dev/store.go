package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// store is the private Redis of this process.
type store struct {
	// address is host:port, or the path of a unix socket.
	address string
	// description says what the store is, for the banner.
	description string
	// ended gets the one error of a store that ended by itself.
	ended <-chan error
	close func() error
}

// startStore starts redis-server when it is on the PATH, else miniredis. With a
// directory redis-server keeps its data there. The caller closes the store.
func startStore(ctx context.Context, directory string) (*store, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return startMiniredis()
	}
	return startRedisServer(ctx, path, directory)
}

func startMiniredis() (*store, error) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("cannot start miniredis: %w", err)
	}
	return &store{
		address: server.Addr(),
		description: "miniredis, in this process: there is no redis-server on the PATH.\n" +
			"             Slow beyond some 10,000 entries; after a restart the boards come again from the log.",
		close: func() error { server.Close(); return nil },
	}, nil
}

const (
	// loadTime is how long redis-server may take to load its data.
	loadTime = time.Minute
	// stopTime is how long redis-server may take to end.
	stopTime = 5 * time.Second
)

func startRedisServer(ctx context.Context, path, directory string) (*store, error) {
	// The path of a socket is short of about 100 bytes, so it is not in directory.
	private, err := os.MkdirTemp("", "leaderboard-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(private, "redis.sock")
	args := []string{"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--loglevel", "warning", "--save", ""}
	description := "redis-server (" + path + "), in memory"
	if directory == "" {
		args = append(args, "--dir", private, "--appendonly", "no")
	} else {
		args = append(args, "--dir", directory, "--appendonly", "yes")
		description = "redis-server (" + path + "), data in " + directory
	}
	child := exec.Command(path, args...)
	child.SysProcAttr = ownProcess()
	var words bytes.Buffer // few, at this log level
	child.Stdout = &words
	if err := child.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start %s: %w", path, err), os.RemoveAll(private))
	}
	exited := make(chan error, 1)
	go func() { exited <- explained(child.Wait(), &words) }()
	s := &store{
		address:     socket,
		description: description,
		ended:       exited,
		close:       func() error { return errors.Join(stop(child, exited), os.RemoveAll(private)) },
	}
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// explained adds the server's last line to the error that it ended with.
func explained(err error, words *bytes.Buffer) error {
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(words.String())
	return fmt.Errorf("%w: %s", err, text[strings.LastIndex(text, "\n")+1:])
}

// await returns when the server answers.
func (s *store) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for client.Ping(ctx).Err() != nil {
		select {
		case err := <-s.ended:
			return fmt.Errorf("redis-server ended at its start: %w", errors.Join(err))
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", ctx.Err())
		case <-retry.C:
		}
	}
	return nil
}

// watch fails when the store ends before ctx.
func (s *store) watch(ctx context.Context) error {
	select {
	case err := <-s.ended:
		return fmt.Errorf("redis-server ended unasked: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// stop asks the server to end, then makes it.
func stop(child *exec.Cmd, exited <-chan error) error {
	if err := child.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case err := <-exited:
		return err
	case <-time.After(stopTime):
		return errors.Join(errors.New("redis-server did not end and was killed"), child.Process.Kill())
	}
}
