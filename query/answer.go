package query

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"leaderboard"
)

// envelope is the outer form of every answer. Pagination is nil on routes without
// pages, data on errors.
type envelope struct {
	pagination *pagination
	data       answerData
	errors     []*leaderboard.Error
	warnings   []string
}

// answerData is what an answer tells.
type answerData interface {
	// appendJSON appends it as a JSON object.
	appendJSON(b []byte) []byte
}

type pagination struct {
	limit, offset, total int64
}

func (e *envelope) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if p := e.pagination; p != nil {
		b = appendNumber(b, `"pagination":{"limit":`, p.limit)
		b = appendNumber(b, `,"offset":`, p.offset)
		b = appendNumber(b, `,"total":`, p.total)
		b = append(b, `},`...)
	}
	b = append(b, `"data":`...)
	if e.data == nil {
		b = append(b, `null`...)
	} else {
		b = e.data.appendJSON(b)
	}
	b = appendList(b, `,"errors":`, e.errors, appendError)
	b = appendList(b, `,"warnings":`, e.warnings, appendWarning)
	return append(b, '}')
}

func appendError(b []byte, e *leaderboard.Error) []byte {
	b = appendNumber(b, `{"code":`, e.Code)
	b = appendString(b, `,"message":`, e.Message)
	return append(b, '}')
}

func appendWarning(b []byte, message string) []byte {
	return append(appendString(b, `{"message":`, message), '}')
}

// appendSyncTimes appends when the data was last updated, in the zone and in UTC;
// both are null for an empty board.
func appendSyncTimes(b []byte, m *leaderboard.Millis, zone *time.Location) []byte {
	if m == nil {
		return append(b, `"lastSyncTime":null,"lastSyncTimeISO":null`...)
	}
	b = appendLocal(b, `"lastSyncTime":`, *m, zone)
	return appendISO(b, `,"lastSyncTimeISO":`, *m)
}

// appendActivityTimes appends when the user's entry last moved.
func appendActivityTimes(b []byte, m leaderboard.Millis, zone *time.Location) []byte {
	b = appendLocal(b, `,"lastActivityTime":`, m, zone)
	return appendISO(b, `,"lastActivityTimeISO":`, m)
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

// toldAbout is what the client is told about err. What is neither for the client
// nor Redis' absence is a defect, which is not shown.
func toldAbout(err error) error {
	if _, ok := errors.AsType[*leaderboard.Error](err); ok {
		return err
	}
	if errors.Is(err, errStoreAway) {
		return unavailable()
	}
	return leaderboard.Errorf(leaderboard.CodeInternal, "Internal error")
}

// codeOf is the code of what the client is told about err.
func codeOf(err error) leaderboard.Code {
	told, _ := errors.AsType[*leaderboard.Error](toldAbout(err))
	return told.Code
}

// Values of headers that all answers share. Answers hold personal data: no cache
// may keep them unasked, not even the client's own. A client that keeps one itself
// can ask with its ETag whether there is another.
var (
	contentType  = []string{"application/json"}
	cacheControl = []string{"no-store"}
)

// write sends the body, or the error in its place, and returns the status and how
// long the body is.
func (s *Server) write(w http.ResponseWriter, rt route, c *call, body []byte, err error) (status, size int) {
	header := w.Header()
	header["X-Request-Id"], header["Cache-Control"], header["Content-Type"] = []string{c.id}, cacheControl, contentType
	status = http.StatusOK
	if err != nil {
		if codeOf(err) == leaderboard.CodeInternal {
			s.log.Error("a request failed", "request_id", c.id, "route", rt.pattern, "error", err)
		}
		body, status = refuse(header, rt, toldAbout(err))
	} else {
		maps.Copy(header, c.header)
		if c.stream != nil {
			w.WriteHeader(status)
			return status, 0
		}
		if isRead(c.Method) {
			tag := entityTag(body)
			header["Etag"] = []string{tag}
			if isHeld(c.Request, tag) {
				delete(header, "Content-Type")
				w.WriteHeader(http.StatusNotModified)
				return http.StatusNotModified, 0
			}
		}
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client is gone
	return status, len(body)
}

// refuse makes the answer to an error, and sets the header that goes with it.
func refuse(header http.Header, rt route, err error) ([]byte, int) {
	told, _ := errors.AsType[*leaderboard.Error](err)
	if r, ok := errors.AsType[*refusal](err); ok {
		header.Set(r.header, r.value)
	}
	answer := &envelope{errors: []*leaderboard.Error{told}}
	if rt.paged {
		answer.pagination = &pagination{}
	}
	return answer.appendJSON(nil), statusOf(told.Code)
}
