package query

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// AccessLog says which requests have a line in the log.
type AccessLog string

// The values of [AccessLog].
const (
	// AccessLogOn is every request.
	AccessLogOn AccessLog = "on"
	// AccessLogErrors is the requests that the service failed (5xx) and those that
	// took a second or longer; at most a hundred lines a second.
	AccessLogErrors AccessLog = "errors"
	AccessLogOff    AccessLog = "off"
)

const (
	slowRequest = time.Second
	// maxErrorLines a second are logged, lest writing them makes an outage worse.
	maxErrorLines = 100
)

// accessLog writes a line a request, with nothing personal in it: paths hold the ids
// of users, so that a line has the route's pattern.
type accessLog struct {
	log   *slog.Logger
	which AccessLog
	lines *rate.Limiter
	// omitted is how many lines were too many since the last one.
	omitted atomic.Int64
}

func newAccessLog(log *slog.Logger, which AccessLog) *accessLog {
	return &accessLog{log: log, which: which, lines: rate.NewLimiter(maxErrorLines, maxErrorLines)}
}

// answered is a request that was answered.
type answered struct {
	id, client, route, method string
	status                    int
	// bytes is the size of the answer's body before it was compressed.
	bytes   int
	elapsed time.Duration
}

func (l *accessLog) write(a *answered) {
	if !l.wants(a) || !l.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", a.id),
		slog.String("client", a.client),
		slog.String("route", a.route),
		slog.String("method", a.method),
		slog.Int("status", a.status),
		slog.Float64("duration_seconds", a.elapsed.Seconds()),
		slog.Int("bytes", a.bytes),
	}
	if l.which == AccessLogErrors {
		if !l.lines.Allow() {
			l.omitted.Add(1)
			return
		}
		if n := l.omitted.Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64("lines_omitted", n))
		}
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "request", attrs...)
}

func (l *accessLog) wants(a *answered) bool {
	switch l.which {
	case AccessLogOn:
		return true
	case AccessLogErrors:
		return a.status >= http.StatusInternalServerError || a.elapsed >= slowRequest
	default:
		return false
	}
}

// Check finds fault with a value that is none of the three.
func (l AccessLog) Check() error {
	switch l {
	case AccessLogOn, AccessLogErrors, AccessLogOff:
		return nil
	}
	return fmt.Errorf("%q is none of on, errors, off", string(l))
}
