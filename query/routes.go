package query

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"leaderboard"
	"leaderboard/query/auth"
)

// route is one path of the API. Answers of a paged route carry pagination,
// errors too.
type route struct {
	pattern string
	methods []string
	// access is what the caller needs; a route without it finds out by itself who calls.
	access auth.Access
	paged  bool
	answer endpoint
}

// endpoint makes the body of the answer to a call, or says why not; see errorFor.
type endpoint func(*call) ([]byte, error)

// call is a request with what the middleware found out about it.
type call struct {
	*http.Request
	// id is what the client and the log know the request by.
	id string
	// ctx ends with the request and with its time, from limitTime on.
	ctx context.Context
	// buffer may hold the request's body, then the answer's. It is used again for
	// other calls.
	buffer []byte
	// client is who calls, from authenticate on.
	client *auth.Caller
	// view is the catalog and layout that the whole answer is made from, from withView on.
	view *view
	// header is set on a good answer, beside what is set on all or in its place.
	header http.Header
	// stream is what the answer goes on with, nil for one that has a body.
	stream *stream
}

// gatewayPrefix is where the documented API lives; every route is served with and without it.
const gatewayPrefix = "/api_gateway/intouch-api-v3"

// Handler serves every route of the API, under both of its prefixes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range []route{
		{"/v3.1/leaderboards/targetGroups", []string{http.MethodGet, http.MethodHead}, auth.AccessTop, false, s.targetGroups},
		{"/v3.1/leaderboards/targetGroups/{targetGroupId}", []string{http.MethodGet, http.MethodHead}, auth.AccessTop, true, s.topRanked},
		{"/v3.1/leaderboards/targetGroups/{targetGroupId}/stream", []string{http.MethodGet, http.MethodHead}, auth.AccessTop, true, s.streamTop},
		{"/v3.1/leaderboards/targetGroups/{targetGroupId}/user/{userId}", []string{http.MethodGet, http.MethodHead}, auth.AccessTop, true, s.aroundUser},
		{"/v3.1/leaderboards/user/{userId}", []string{http.MethodGet, http.MethodHead, http.MethodPost}, auth.AccessRank, false, s.userRanks},
		{"/v3/oauth/token/generate", []string{http.MethodPost}, "", false, s.generateToken},
		{"/openapi.yaml", []string{http.MethodGet, http.MethodHead}, "", false, describeAPI},
		{"/docs", []string{http.MethodGet, http.MethodHead}, "", false, showReference},
	} {
		rt.answer = s.middleware(rt)
		handler := s.serve(rt)
		mux.Handle(rt.pattern, handler)
		mux.Handle(gatewayPrefix+rt.pattern, handler)
	}
	mux.Handle("/", s.serve(route{pattern: "/", answer: noRoute}))
	if s.page != nil {
		mux.Handle("/{$}", s.page)
		mux.Handle("/page/", s.page)
	}
	return front(mux, s.corsOrigins)
}

// middleware puts the checks of a route before its endpoint, the first one outermost.
func (s *Server) middleware(rt route) endpoint {
	answer := rt.answer
	checks := []func(endpoint) endpoint{s.recoverPanics, allowMethods(rt.methods), s.limitConcurrency, s.limitTime}
	if rt.access != "" {
		checks = append(checks, s.authenticate, s.limitRate, requireAccess(rt.access), s.withView)
	}
	for _, wrap := range slices.Backward(checks) {
		answer = wrap(answer)
	}
	return answer
}

// serve runs the endpoint and measures it. A stream begins once that is over: what
// is measured, bounded and logged is how it was opened.
func (s *Server) serve(rt route) http.HandlerFunc {
	respond := s.responder(rt)
	return func(w http.ResponseWriter, r *http.Request) {
		if stream := respond(w, r); stream != nil {
			stream.send(w)
		}
	}
}

// responder answers requests, but for the stream that an answer goes on with.
func (s *Server) responder(rt route) func(http.ResponseWriter, *http.Request) *stream {
	observe := s.metrics.observer(rt.pattern)
	return func(w http.ResponseWriter, r *http.Request) *stream {
		start := time.Now()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		if r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, s.maxBodyBytes)
		}
		buffer := buffers.Get().(*[]byte)
		c := &call{Request: r, id: requestID(r), buffer: *buffer}
		body, err := rt.answer(c)
		status, size := s.write(w, rt, c, body, err)
		*buffer = c.buffer
		buffers.Put(buffer)
		elapsed, method := time.Since(start), knownMethod(r.Method)
		observe(method, status, elapsed)
		s.accessLog.write(&answered{
			id: c.id, client: c.client.Name(), route: rt.pattern, method: method,
			status: status, bytes: size, elapsed: elapsed,
		})
		return c.stream
	}
}

// buffers are those of calls that are over.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func noRoute(*call) ([]byte, error) {
	return nil, leaderboard.Errorf(leaderboard.CodeNotFound, "There is no such resource")
}

func (s *Server) recoverPanics(next endpoint) endpoint {
	return func(c *call) (body []byte, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = s.panicked(p)
			}
		}()
		return next(c)
	}
}

// panicked makes an error of what was recovered.
func (s *Server) panicked(p any) error {
	s.metrics.panics.Inc()
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}

func allowMethods(methods []string) func(endpoint) endpoint {
	return func(next endpoint) endpoint {
		return func(c *call) ([]byte, error) {
			if !slices.Contains(methods, c.Method) {
				told := leaderboard.Errorf(leaderboard.CodeMethodNotAllowed, "This resource does not support the method, see the header Allow")
				return nil, &refusal{told, "Allow", strings.Join(methods, ", ")}
			}
			return next(c)
		}
	}
}

func (s *Server) limitTime(next endpoint) endpoint {
	return func(c *call) ([]byte, error) {
		var cancel context.CancelFunc
		c.ctx, cancel = context.WithTimeout(c.Context(), s.requestTimeout)
		defer cancel()
		return next(c)
	}
}

func (s *Server) authenticate(next endpoint) endpoint {
	return func(c *call) ([]byte, error) {
		client, err := s.guard.Authenticate(c.ctx, c.Request)
		if err != nil {
			return nil, refusedCredentials(err)
		}
		c.client = client
		return next(c)
	}
}

func (s *Server) limitRate(next endpoint) endpoint {
	return func(c *call) ([]byte, error) {
		if wait := c.client.Delay(s.now()); wait > 0 {
			return nil, tooManyRequests(wait)
		}
		return next(c)
	}
}

func requireAccess(access auth.Access) func(endpoint) endpoint {
	return func(next endpoint) endpoint {
		return func(c *call) ([]byte, error) {
			if !c.client.May(access) {
				return nil, leaderboard.Errorf(leaderboard.CodeAccessDenied, "Not authorized. Access is denied!")
			}
			return next(c)
		}
	}
}

func (s *Server) withView(next endpoint) endpoint {
	return func(c *call) ([]byte, error) {
		c.view = s.state.Load().view
		if c.view == nil {
			return nil, unavailable()
		}
		return next(c)
	}
}
