package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"leaderboard"
)

// envelope is the outer form of every answer. Pagination is nil on routes without pages.
type envelope struct {
	Pagination *pagination              `json:"pagination,omitempty"`
	Data       any                      `json:"data"`
	Errors     list[*leaderboard.Error] `json:"errors"`
	Warnings   list[warning]            `json:"warnings"`
}

type pagination struct {
	Limit  int64 `json:"limit"`
	Offset int64 `json:"offset"`
	Total  int64 `json:"total"`
}

type warning struct {
	Message string `json:"message"`
}

// list is an array in JSON even when it is nil.
type list[T any] []T

// MarshalJSON keeps an empty list from becoming null.
func (l list[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return encode([]T(l))
}

// statuses holds the HTTP status of every code whose status is not 400.
var statuses = map[leaderboard.Code]int{
	leaderboard.CodeUnauthenticated:      http.StatusUnauthorized,
	leaderboard.CodeAccessDenied:         http.StatusForbidden,
	leaderboard.CodeNotFound:             http.StatusNotFound,
	leaderboard.CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	leaderboard.CodeBodyTooLarge:         http.StatusRequestEntityTooLarge,
	leaderboard.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	leaderboard.CodeTooManyRequests:      http.StatusTooManyRequests,
	leaderboard.CodeInternal:             http.StatusInternalServerError,
	leaderboard.CodeUnavailable:          http.StatusServiceUnavailable,
}

func statusOf(code leaderboard.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// refusal is an error that is answered with a header of its own.
type refusal struct {
	err           *leaderboard.Error
	header, value string
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// retryAfter refuses for now; a client may come back after that time.
func retryAfter(code leaderboard.Code, message string, after time.Duration) error {
	seconds := int64((after + time.Second - 1) / time.Second)
	return &refusal{leaderboard.Errorf(code, "%s", message), "Retry-After", strconv.FormatInt(max(1, seconds), 10)}
}

func unavailable() error {
	return retryAfter(leaderboard.CodeUnavailable, "The leaderboards are not available at the moment, please try again shortly", time.Second)
}

// errorFor is what the client is told about err. What is neither for the client
// nor Redis' absence is a defect, which is logged and not shown.
func (s *Server) errorFor(rt route, err error) error {
	if _, ok := errors.AsType[*leaderboard.Error](err); ok {
		return err
	}
	if errors.Is(err, errStoreAway) {
		return unavailable()
	}
	s.log.Error("a request failed", "route", rt.pattern, "error", err)
	return leaderboard.Errorf(leaderboard.CodeInternal, "Internal error")
}

// write sends the answer, or the error in its place, and returns the status.
func (s *Server) write(w http.ResponseWriter, rt route, answer *envelope, err error) int {
	var body []byte
	status := http.StatusOK
	if err == nil {
		body, err = encode(answer)
	}
	if err != nil {
		answer, status = refuse(w.Header(), rt, s.errorFor(rt, err))
		body, _ = encode(answer)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// Answers hold personal data: no cache on the way may keep them.
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client is gone
	return status
}

// refuse makes the answer to an error, and sets the header that goes with it.
func refuse(header http.Header, rt route, err error) (*envelope, int) {
	told, _ := errors.AsType[*leaderboard.Error](err)
	if r, ok := errors.AsType[*refusal](err); ok {
		header.Set(r.header, r.value)
	}
	answer := &envelope{Errors: list[*leaderboard.Error]{told}}
	if rt.paged {
		answer.Pagination = &pagination{}
	}
	return answer, statusOf(told.Code)
}

// encode writes JSON as it is, with no escapes for HTML and no line feed at the end.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// The two forms of a time: as the organisation reads it, and RFC 3339 in UTC.
const (
	localLayout = "2006-01-02T15:04:05.000MST"
	isoLayout   = "2006-01-02T15:04:05.000Z07:00"
)

// syncTimes is when the data was last updated; both are null for an empty board.
type syncTimes struct {
	LastSyncTime    *string `json:"lastSyncTime"`
	LastSyncTimeISO *string `json:"lastSyncTimeISO"`
}

// newSyncTimes tells m in the zone, or nothing when m is nil.
func newSyncTimes(m *leaderboard.Millis, zone *time.Location) syncTimes {
	if m == nil {
		return syncTimes{}
	}
	local, iso := m.Time().In(zone).Format(localLayout), m.Time().Format(isoLayout)
	return syncTimes{&local, &iso}
}

// activityTimes is when the user's entry last moved.
type activityTimes struct {
	LastActivityTime    string `json:"lastActivityTime"`
	LastActivityTimeISO string `json:"lastActivityTimeISO"`
}

func newActivityTimes(m leaderboard.Millis, zone *time.Location) activityTimes {
	return activityTimes{m.Time().In(zone).Format(localLayout), m.Time().Format(isoLayout)}
}
