package query

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lines are what was logged.
func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(log.String()) {
		var attrs map[string]any
		if err := json.Unmarshal([]byte(line), &attrs); err != nil {
			t.Fatal(err)
		}
		all = append(all, attrs)
	}
	return all
}

func TestALineOfTheAccessLogTellsNothingPersonal(t *testing.T) {
	var log bytes.Buffer
	handler := smallService(t, func(cfg *Config) {
		cfg.Log, cfg.AccessLog = slog.New(slog.NewJSONHandler(&log, nil)), AccessLogOn
	})
	log.Reset() // of what the start had to say
	w := answerTo(t, handler, "FIRST_NAME", gatewayPrefix+"/v3.1/leaderboards/user/70707?email=user@example.com", "User-Agent", "last_name")
	got := lines(t, &log)
	if len(got) != 1 {
		t.Fatalf("%d lines: %s", len(got), log.String())
	}
	fields := slices.Sorted(maps.Keys(got[0]))
	if want := []string{"bytes", "client", "duration_seconds", "level", "method", "msg", "request_id", "route", "status", "time"}; !slices.Equal(fields, want) {
		t.Errorf("the line has %v, want %v", fields, want)
	}
	for name, want := range map[string]any{
		"msg": "request", "level": "INFO", "method": "other", "route": "/v3.1/leaderboards/user/{userId}",
		"status": 405.0, "bytes": float64(w.Body.Len()), "request_id": w.Header().Get("X-Request-ID"), "client": "",
	} {
		if got[0][name] != want {
			t.Errorf("%s is %v, want %v", name, got[0][name], want)
		}
	}
	for _, personal := range []string{"70707", "example.com", "FIRST_NAME", "last_name"} {
		if strings.Contains(log.String(), personal) {
			t.Errorf("%s is in %s", personal, log.String())
		}
	}
	log.Reset()
	answerTo(t, handler, http.MethodGet, user7)
	if got := lines(t, &log); len(got) != 1 || got[0]["client"] != "shop" || got[0]["status"] != 200.0 {
		t.Errorf("a request of shop: %v", got)
	}
}

func TestWhichRequestsAreLogged(t *testing.T) {
	for _, c := range []struct {
		which   AccessLog
		status  int
		elapsed time.Duration
		logged  bool
	}{
		{AccessLogOn, 200, time.Millisecond, true},
		{AccessLogErrors, 200, time.Millisecond, false},
		{AccessLogErrors, 429, 999 * time.Millisecond, false},
		{AccessLogErrors, 200, time.Second, true},
		{AccessLogErrors, 500, 0, true},
		{AccessLogErrors, 503, 0, true},
		{AccessLogOff, 500, time.Minute, false},
	} {
		var log bytes.Buffer
		newAccessLog(slog.New(slog.NewJSONHandler(&log, nil)), c.which).write(&answered{status: c.status, elapsed: c.elapsed})
		if logged := log.Len() > 0; logged != c.logged {
			t.Errorf("%s: %d after %s is logged: %v", c.which, c.status, c.elapsed, logged)
		}
	}
}

func TestAnOutageDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newAccessLog(slog.New(slog.NewJSONHandler(&log, nil)), AccessLogErrors)
		for range 5 * maxErrorLines {
			l.write(&answered{status: 503})
		}
		if n := len(lines(t, &log)); n != maxErrorLines {
			t.Errorf("%d lines", n)
		}
		time.Sleep(time.Second)
		l.write(&answered{status: 503})
		if last := lines(t, &log)[maxErrorLines]; last["lines_omitted"] != 4.0*maxErrorLines {
			t.Errorf("the next line says that %v were omitted", last["lines_omitted"])
		}
	})
}
