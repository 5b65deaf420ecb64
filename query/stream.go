package query

import (
	"bytes"
	"net/http"
	"slices"
	"time"

	"leaderboard"
	"leaderboard/query/auth"
)

const (
	// streamType is the media type of a stream.
	streamType = "text/event-stream"
	// streamPause lies between two readings of a board for its streams.
	streamPause = 250 * time.Millisecond
	// streamLook lies between two looks at who listens to a stream, and to what.
	streamLook = time.Second
	// heartbeat is how long a stream is silent at most: proxies take a connection
	// that is silent for longer for a dead one.
	heartbeat = 15 * time.Second
	// streamSendTime is how long a client may take to take in an event.
	streamSendTime = 10 * time.Second
	// streamRetry is when to come back to a server that has as many as it may have.
	streamRetry = 10 * time.Second
)

// The names of events.
const (
	// eventBoard is an answer of the ranked list.
	eventBoard = "board"
	// eventUnavailable says that the board cannot be read at the moment.
	eventUnavailable = "unavailable"
	// eventEnd says why the stream ends.
	eventEnd = "end"
)

// streamHeader also asks a proxy not to wait until there is more to pass on.
var streamHeader = http.Header{"Content-Type": {streamType}, "X-Accel-Buffering": {"no"}}

// stream tells one client of a board for as long as both are there.
type stream struct {
	server *Server
	// request is what the client has asked with, and is known by as id.
	request *http.Request
	id      string
	// listener is nil while nothing can be said about the board, and edition is what
	// is to be told.
	listener *listener[topQuestion]
	edition  *edition
	// sent is the last event but for comments, and sentAt when something was.
	sent   []byte
	sentAt time.Time
}

// streamTop answers GET /v3.1/leaderboards/targetGroups/{targetGroupId}/stream. All
// that it can be refused for is found out here, as for an ordinary answer, the first
// reading of the board included.
func (s *Server) streamTop(c *call) ([]byte, error) {
	question, err := s.streamQuestion(c)
	if err != nil {
		return nil, err
	}
	select {
	case s.streamPlaces <- struct{}{}:
	default:
		s.metrics.streamOverloads.Inc()
		return nil, retryAfter(leaderboard.CodeUnavailable, "Too many streams are open at the moment, please try again shortly", streamRetry)
	}
	st := &stream{server: s, request: c.Request, id: c.id, listener: s.broadcasts.listen(question)}
	if st.edition, err = st.listener.first(c.ctx); err != nil {
		err = s.store.failed("wait for a page", err)
	} else {
		err = st.edition.err
	}
	if err != nil {
		st.close()
		return nil, err
	}
	c.stream, c.header = st, streamHeader
	return nil, nil
}

// streamQuestion is what a stream asks again and again: one page.
func (s *Server) streamQuestion(c *call) (topQuestion, error) {
	question, err := s.topQuestion(c)
	question.pages.limit = 1
	return question, err
}

// close gives up what the stream has of the server.
func (st *stream) close() {
	if st.listener != nil {
		st.listener.leave()
	}
	<-st.server.streamPlaces
}

// send tells the client of the board until one of them is gone.
func (st *stream) send(w http.ResponseWriter) {
	defer st.close()
	if st.request.Method == http.MethodHead {
		return
	}
	s, gone := st.server, st.request.Context().Done()
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()
	out := http.NewResponseController(w)
	// What ends requests that take long is not to end streams.
	_ = out.SetReadDeadline(time.Time{})
	defer func() { _ = out.SetWriteDeadline(time.Now().Add(streamSendTime)) }()
	if st.request.Header.Get("Last-Event-Id") == entityTag(st.edition.body) {
		st.sent = st.edition.event
	}
	look := time.NewTicker(streamLook)
	defer look.Stop()
	going := st.write(w, []byte("retry: 2000\n\n"))
	for going && st.tell(w, st.edition.event) {
		select {
		case <-gone:
			return
		case <-s.ended:
			return
		case <-st.edition.replaced:
			st.edition = st.listener.latest()
		case <-look.C:
			going = st.look(w)
		}
	}
}

// look finds out again who listens and to which board, and follows where that has
// changed. It is false when the stream is over.
func (st *stream) look(w http.ResponseWriter) bool {
	question, err := st.server.look(st.request, st.id)
	switch {
	case err != nil && codeOf(err) == leaderboard.CodeUnavailable:
		st.follow(nil)
		st.edition = &edition{event: refusalEvent(eventUnavailable, err)}
	case err != nil:
		st.tell(w, refusalEvent(eventEnd, err))
		return false
	case st.listener == nil || st.listener.question != question:
		st.follow(&question)
	}
	if time.Since(st.sentAt) >= heartbeat {
		return st.write(w, []byte(":\n\n"))
	}
	return true
}

// look finds out what the request would be answered with now.
func (s *Server) look(r *http.Request, id string) (question topQuestion, err error) {
	ask := endpoint(func(c *call) (body []byte, err error) {
		question, err = s.streamQuestion(c)
		return body, err
	})
	for _, wrap := range slices.Backward([]func(endpoint) endpoint{s.recoverPanics, s.limitTime, s.authenticate, requireAccess(auth.AccessTop), s.withView}) {
		ask = wrap(ask)
	}
	_, err = ask(&call{Request: r, id: id})
	return question, err
}

// follow listens to another question from now on, or to none.
func (st *stream) follow(question *topQuestion) {
	if st.listener != nil {
		st.listener.leave()
	}
	st.listener, st.edition = nil, new(edition)
	if question != nil {
		st.listener = st.server.broadcasts.listen(*question)
		st.edition = st.listener.latest()
	}
}

// tell sends an event, unless there is none or it is the last one again.
func (st *stream) tell(w http.ResponseWriter, event []byte) bool {
	if event == nil || bytes.Equal(event, st.sent) {
		return true
	}
	st.sent = event
	st.server.metrics.streamEvents.Inc()
	return st.write(w, event)
}

// write is false when the client is gone or too slow: then it is given up.
func (st *stream) write(w http.ResponseWriter, text []byte) bool {
	out := http.NewResponseController(w)
	st.sentAt = time.Now()
	if out.SetWriteDeadline(st.sentAt.Add(streamSendTime)) != nil {
		return false
	}
	_, err := w.Write(text)
	if err == nil {
		err = out.Flush()
	}
	// Not every writer tells of the deadline.
	if time.Since(st.sentAt) >= streamSendTime {
		st.server.metrics.streamDrops.Inc()
		return false
	}
	// With HTTP/2 it would end a stream that is silent.
	_ = out.SetWriteDeadline(time.Time{})
	return err == nil
}

// renderEvent makes the event of an answer or of the error in its place.
func (s *Server) renderEvent(body []byte, err error) []byte {
	if err == nil {
		return appendEvent(make([]byte, 0, len(body)+64), eventBoard, entityTag(body), body)
	}
	if codeOf(err) == leaderboard.CodeInternal {
		s.log.Error("a board cannot be read for its streams", "error", err)
	}
	return refusalEvent(eventUnavailable, err)
}

// refusalEvent tells of an error as an answer does.
func refusalEvent(name string, err error) []byte {
	body, _ := refuse(http.Header{}, route{paged: true}, toldAbout(err))
	return appendEvent(nil, name, "", body)
}

// appendEvent appends an event whose data is one line.
func appendEvent(b []byte, name, id string, data []byte) []byte {
	b = append(append(b, "event: "...), name...)
	if id != "" {
		b = append(append(b, "\nid: "...), id...)
	}
	b = append(append(b, "\ndata: "...), data...)
	return append(b, "\n\n"...)
}
