package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// fake is a service that lacks what missing says and runs until ctx ends.
type fake struct {
	missing atomic.Pointer[string]
	failure chan error
}

func (f *fake) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-f.failure:
		return err
	}
}

func (f *fake) Ready(context.Context) error {
	if missing := f.missing.Load(); missing != nil {
		return errors.New(*missing)
	}
	return nil
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestAdminEndpoints(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	listener, err := Listen("admin", "--admin (ADMIN_LISTEN)", "127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	if want := "msg=listening name=admin addr=" + listener.Addr().String(); !strings.Contains(out.String(), want) {
		t.Errorf("log is %q, want %q in it", out.String(), want)
	}
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total"})
	registry.MustRegister(counter)
	away, present := &fake{}, &fake{}
	sentence := "redis is away"
	away.missing.Store(&sentence)

	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, registry, log, present, away) }()
	url := "http://" + listener.Addr().String()
	if status, body := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || body != sentence+"\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if status, _ := get(t, url+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	away.missing.Store(nil)
	if status, body := get(t, url+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, "test_total 0") || !strings.Contains(body, "leaderboard_ready 1") {
		t.Errorf("/metrics: %q", body)
	}
	away.missing.Store(&sentence)
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, "leaderboard_ready 0") {
		t.Errorf("/metrics while something is missing: %q", body)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeEndsWithTheServiceThatFails(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	listener, err := Listen("admin", "--admin (ADMIN_LISTEN)", "127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	failing := &fake{failure: make(chan error, 1)}
	failure := errors.New("it broke")
	failing.failure <- failure
	if err := Serve(t.Context(), listener, prometheus.NewRegistry(), log, &fake{}, failing); !errors.Is(err, failure) {
		t.Errorf("Serve: %v", err)
	}
}

func TestMainExitCodes(t *testing.T) {
	var words bytes.Buffer
	if code := Main("test", time.Minute, &words, func(context.Context) error { return nil }); code != ExitOK || words.Len() != 0 {
		t.Errorf("code %d, words %q", code, words.String())
	}
	failing := func(context.Context) error { return errors.New("it broke") }
	if code := Main("test", time.Minute, &words, failing); code != ExitFailure || words.String() != "test: it broke\n" {
		t.Errorf("code %d, words %q", code, words.String())
	}
}

func TestMainEndsOnSignal(t *testing.T) {
	code := Main("test", time.Minute, io.Discard, func(ctx context.Context) error {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if code != ExitOK {
		t.Errorf("code %d", code)
	}
}

func TestMainDoesNotWaitLongerThanItsGrace(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var words bytes.Buffer
	code := Main("test", time.Millisecond, &words, func(context.Context) error {
		err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
		<-release
		return err
	})
	if code != ExitFailure || !strings.Contains(words.String(), "not finished") {
		t.Errorf("code %d, words %q", code, words.String())
	}
}

// pipeListener accepts the one connection that is put into it.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if connection, open := <-l; open {
		return connection, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestAnAnswerMayTakeItsWholeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const answerTime = time.Minute
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(answerTime)
			answer(w, http.StatusOK, "done")
		})
		listener := make(pipeListener, 1)
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- serveHTTP(ctx, listener, handler, answerTime, slog.New(slog.DiscardHandler)) }()
		here, there := net.Pipe()
		listener <- there

		const head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n"
		if _, err := io.WriteString(here, head); err != nil {
			t.Fatal(err)
		}
		time.Sleep(readTime / 2) // a slow client
		if _, err := io.WriteString(here, "x"); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(here)
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200 ") || !strings.HasSuffix(string(text), "done\n") {
			t.Errorf("the answer is %q, %v", text, err)
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
