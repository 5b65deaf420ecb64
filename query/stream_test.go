package query

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"

	"leaderboard"
	"leaderboard/query/auth"
)

// streamed is a server whose board is made up, for clients on pipes: what is not
// read is not sent. All of its time is that of a bubble, which begins with the year
// 2000.
type streamed struct {
	t       *testing.T
	server  *Server
	clients string
	dial    chan net.Conn

	mu sync.Mutex
	// answer is what the board's page says of a period; reads counts who asked.
	answer func(leaderboard.PeriodID) ([]byte, error)
	reads  int
}

const (
	streamPath = "/v3.1/leaderboards/targetGroups/2/stream?targetId=3"
	// The second period begins ten minutes after the first moment of the bubble.
	streamGroup = `{"targetGroupId":2,"orgId":1,"periods":[
		{"periodId":4,"start":"1999-01-01T00:00:00Z","end":"2000-01-01T00:10:00Z"},
		{"periodId":5,"start":"2000-01-01T00:10:00Z","end":"2001-01-01T00:00:00Z"}],"targets":[{"targetRuleId":3}]}`
)

// inBubble runs the test with a server in it.
func inBubble(t *testing.T, test func(*streamed), adjust ...func(*Config)) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"clients":[{"id":"shop","orgId":1,"secretHash":%q}]}`, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	store := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer store.Close()
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Redis: store, ClientsFile: file}
		for _, f := range adjust {
			f(&cfg)
		}
		s := &streamed{t: t, clients: file, dial: make(chan net.Conn)}
		var err error
		if s.server, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		s.tell("first")
		s.server.broadcasts.read = s.read
		catalog := leaderboard.NewCatalog()
		for key, record := range map[string]string{"org:1": `{"orgId":1,"timeZone":"UTC"}`, "group:1:2": streamGroup} {
			if err := catalog.Set(key, []byte(record)); err != nil {
				t.Fatal(err)
			}
		}
		s.server.state.Store(&state{view: newView(leaderboard.Layout{Generation: 1, Shards: 1}, catalog)})
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { s.server.guard.Run(ctx) })
		// These times end requests, and are to leave streams alone.
		web := &http.Server{Handler: s.server.Handler(), ReadTimeout: time.Second, WriteTimeout: 2 * time.Second}
		running.Go(func() { _ = web.Serve(s) })
		defer running.Wait()
		defer cancel()
		defer web.Close()
		test(s)
	})
}

// tell makes this what the board says from now on.
func (s *streamed) tell(text string) {
	s.tellBy(func(leaderboard.PeriodID) ([]byte, error) { return []byte(text), nil })
}

func (s *streamed) tellBy(answer func(leaderboard.PeriodID) ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *streamed) read(_ context.Context, q topQuestion) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.answer(q.board.period.PeriodID)
}

// counts are the readings so far and the boards that are being read.
func (s *streamed) counts() (reads, boards int) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.broadcasts.mu.Lock()
	defer s.server.broadcasts.mu.Unlock()
	return s.reads, len(s.server.broadcasts.onAir)
}

// Accept, Close and Addr make the pipes a listener.
func (s *streamed) Accept() (net.Conn, error) {
	conn, open := <-s.dial
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (s *streamed) Close() error   { close(s.dial); return nil }
func (s *streamed) Addr() net.Addr { return &net.TCPAddr{} }

// reader is a client of a stream.
type reader struct {
	conn     net.Conn
	response *http.Response

	mu     sync.Mutex
	events []string
	// silent counts comments; err is what the stream ended with.
	silent int
	err    error
}

// open sends the request with these headers, name and value by turns, and gets the
// beginning of the answer.
func (s *streamed) open(headers ...string) *reader {
	s.t.Helper()
	near, far := net.Pipe()
	s.dial <- far
	r, err := http.NewRequest(http.MethodGet, "http://x"+streamPath, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("shop", "secret")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if err := r.Write(near); err != nil {
		s.t.Fatal(err)
	}
	c := &reader{conn: near}
	if c.response, err = http.ReadResponse(bufio.NewReader(near), r); err != nil { //nolint:bodyclose // a stream's body ends with its connection, see close
		s.t.Fatal(err)
	}
	return c
}

// listen opens a stream and reads it all along.
func (s *streamed) listen(headers ...string) *reader {
	s.t.Helper()
	c := s.open(headers...)
	if c.response.StatusCode != http.StatusOK || c.response.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%d %v", c.response.StatusCode, c.response.Header)
	}
	go c.readAll()
	synctest.Wait()
	return c
}

func (c *reader) readAll() {
	text := bufio.NewReader(c.response.Body)
	var event strings.Builder
	for {
		line, err := text.ReadString('\n')
		c.mu.Lock()
		switch {
		case err != nil:
			c.err = err
			c.mu.Unlock()
			return
		case line == "\n" && event.Len() > 0:
			c.events = append(c.events, event.String())
			event.Reset()
		case strings.HasPrefix(line, ":"):
			c.silent++
		case line != "\n" && !strings.HasPrefix(line, "retry: "):
			event.WriteString(line)
		}
		c.mu.Unlock()
	}
}

// told are the data of the events so far, each after its name.
func (c *reader) told() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var told []string
	for _, event := range c.events {
		var name, data string
		for line := range strings.Lines(event) {
			if text, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(text)
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				data = strings.TrimSpace(text)
			}
		}
		told = append(told, name+" "+data)
	}
	return told
}

// signs are those of life that the stream has given when there was nothing to tell.
func (c *reader) signs() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// ended is what the stream ended with, nil while it goes on.
func (c *reader) ended() error {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *reader) close() { _ = c.conn.Close() }

func expectTold(t *testing.T, c *reader, want ...string) {
	t.Helper()
	if got := c.told(); !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
}

func refusalJSON(code int, message string) string {
	return fmt.Sprintf(`{"pagination":{"limit":0,"offset":0,"total":0},"data":null,"errors":[{"code":%d,"message":%q}],"warnings":[]}`, code, message)
}

func TestStreamsShareAReadingAndTellWhatHasChanged(t *testing.T) {
	inBubble(t, func(s *streamed) {
		readers := []*reader{s.listen(), s.listen(), s.listen()}
		const changes = 200
		for i := range changes {
			s.tell(fmt.Sprint("change ", i))
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, c := range readers {
			told := c.told()
			if told[0] != "board first" || told[len(told)-1] != fmt.Sprint("board change ", changes-1) {
				t.Errorf("told is %q", told)
			}
			// Four seconds of changes.
			if len(told) < 10 || len(told) > 1+4*4+1 {
				t.Errorf("%d events in four seconds", len(told))
			}
		}
		if reads, _ := s.counts(); reads > 5*4+1 {
			t.Errorf("%d readings for three streams in five seconds", reads)
		}
		if n := testutil.ToFloat64(s.server.metrics.streams); n != 3 {
			t.Errorf("%v streams are open", n)
		}
		for _, c := range readers {
			c.close()
		}
		time.Sleep(time.Second)
		before, boards := s.counts()
		if n := testutil.ToFloat64(s.server.metrics.streams); n != 0 || boards != 0 || len(s.server.streamPlaces) != 0 {
			t.Errorf("of the clients that left %v streams, %d boards, %d places are left", n, boards, len(s.server.streamPlaces))
		}
		time.Sleep(time.Minute)
		if after, _ := s.counts(); after != before {
			t.Errorf("%d readings for nobody", after-before)
		}
	})
}

func TestSlowReaderIsDroppedAndHoldsUpNobody(t *testing.T) {
	inBubble(t, func(s *streamed) {
		slow, quick := s.open(), s.listen()
		for i := range 200 {
			s.tell(fmt.Sprint("change ", i))
			time.Sleep(50 * time.Millisecond)
		}
		if told := quick.told(); len(told) < 35 {
			t.Errorf("the quick reader was told %d times in ten seconds", len(told))
		}
		time.Sleep(2 * time.Second)
		if n := testutil.ToFloat64(s.server.metrics.streamDrops); n != 1 {
			t.Errorf("%v streams dropped", n)
		}
		if n := testutil.ToFloat64(s.server.metrics.streams); n != 1 {
			t.Errorf("%v streams are open", n)
		}
		if text, err := io.ReadAll(slow.response.Body); err == nil {
			t.Errorf("the slow reader's stream ended as if all were well, with %q", text)
		}
		s.tell("last")
		time.Sleep(time.Second)
		if told := quick.told(); told[len(told)-1] != "board last" {
			t.Errorf("told is %q", told)
		}
		quick.close()
	})
}

func TestSilentStreamLivesOn(t *testing.T) {
	inBubble(t, func(s *streamed) {
		c := s.listen()
		time.Sleep(5 * time.Minute)
		expectTold(t, c, "board first")
		if n := c.signs(); n < 15 || n > 20 {
			t.Errorf("%d signs of life in five minutes", n)
		}
		s.tell("second")
		time.Sleep(time.Second)
		expectTold(t, c, "board first", "board second")
		c.close()
	})
}

func TestStreamFollowsTheRunningPeriod(t *testing.T) {
	inBubble(t, func(s *streamed) {
		s.tellBy(func(p leaderboard.PeriodID) ([]byte, error) { return fmt.Append(nil, "period ", p), nil })
		c := s.listen()
		time.Sleep(9 * time.Minute)
		expectTold(t, c, "board period 4")
		time.Sleep(time.Minute + 2*time.Second)
		expectTold(t, c, "board period 4", "board period 5")
		if _, boards := s.counts(); boards != 1 {
			t.Errorf("%d boards are read for one stream", boards)
		}
		c.close()
	})
}

func TestStreamSaysThatTheBoardIsAwayAndGoesOn(t *testing.T) {
	const message = "The leaderboards are not available at the moment, please try again shortly"
	inBubble(t, func(s *streamed) {
		c := s.listen()
		s.tellBy(func(leaderboard.PeriodID) ([]byte, error) { return nil, errStoreAway })
		time.Sleep(time.Minute)
		s.tell("first")
		time.Sleep(time.Second)
		away := "unavailable " + refusalJSON(503, message)
		expectTold(t, c, "board first", away, "board first")

		view := s.server.state.Load().view
		s.server.state.Store(&state{problem: errStoreAway})
		signs := c.signs()
		time.Sleep(time.Minute)
		if n := c.signs() - signs; n < 3 {
			t.Errorf("%d signs of life in a minute without a catalog", n)
		}
		s.server.state.Store(&state{view: view})
		time.Sleep(2 * time.Second)
		expectTold(t, c, "board first", away, "board first", away, "board first")
		c.close()
		time.Sleep(time.Second)

		s.tellBy(func(leaderboard.PeriodID) ([]byte, error) { return nil, errStoreAway })
		refused := s.open()
		body, err := io.ReadAll(refused.response.Body)
		if err != nil || refused.response.StatusCode != http.StatusServiceUnavailable || string(body) != refusalJSON(503, message) {
			t.Errorf("a stream that begins then: %d %s, %v", refused.response.StatusCode, body, err)
		}
		if len(s.server.streamPlaces) != 0 {
			t.Error("the refused stream keeps its place")
		}
		refused.close()
	})
}

func TestStreamEndsWithItsCredentials(t *testing.T) {
	end := "end " + refusalJSON(401, "Authentication failed. Please check username and password")
	inBubble(t, func(s *streamed) {
		caller, err := s.server.guard.SignIn(context.Background(), &http.Request{RemoteAddr: "127.0.0.1:1"}, "shop", "secret")
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.server.guard.IssueToken(caller)
		if err != nil {
			t.Fatal(err)
		}
		withToken, withSecret := s.listen("Authorization", "Bearer "+token), s.listen()
		time.Sleep(auth.TokenLifetime)
		expectTold(t, withToken, "board first")
		time.Sleep(time.Minute)
		expectTold(t, withToken, "board first", end)
		if err := withToken.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream of a token that has expired ended with %v", err)
		}
		expectTold(t, withSecret, "board first")
		if err := os.WriteFile(s.clients, []byte(`{"clients":[]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		expectTold(t, withSecret, "board first", end)
		if err := withSecret.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream of a client that was removed ended with %v", err)
		}
		withToken.close()
		withSecret.close()
	})
}

func TestStreamEndsWithTheServer(t *testing.T) {
	inBubble(t, func(s *streamed) {
		c := s.listen()
		time.Sleep(time.Minute)
		close(s.server.ended)
		if err := c.ended(); !errors.Is(err, io.EOF) {
			t.Errorf("it ended with %v", err)
		}
		expectTold(t, c, "board first")
		c.close()
	})
}

func TestNoMoreStreamsThanMayBe(t *testing.T) {
	inBubble(t, func(s *streamed) {
		first := s.listen()
		second := s.open()
		var answer struct{ Errors []leaderboard.Error }
		if err := json.NewDecoder(second.response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if got := second.response; got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "10" || answer.Errors[0].Code != leaderboard.CodeUnavailable {
			t.Errorf("the second: %d %v %v", got.StatusCode, got.Header, answer)
		}
		if n := testutil.ToFloat64(s.server.metrics.streamOverloads); n != 1 {
			t.Errorf("%v refusals counted", n)
		}
		first.close()
		second.close()
		time.Sleep(time.Second)
		third := s.listen()
		expectTold(t, third, "board first")
		third.close()
	}, func(cfg *Config) { cfg.MaxStreams = 1 })
}

func TestStreamGoesOnFromWhatTheClientHolds(t *testing.T) {
	inBubble(t, func(s *streamed) {
		held, other := s.listen("Last-Event-ID", entityTag([]byte("first"))), s.listen("Last-Event-ID", "another")
		expectTold(t, held)
		expectTold(t, other, "board first")
		s.tell("second")
		time.Sleep(time.Second)
		expectTold(t, held, "board second")
		held.close()
		other.close()
	})
}

func TestStreamIsNotCompressedAndHasNoBodyForHEAD(t *testing.T) {
	handler := smallService(t)
	w := answerTo(t, handler, http.MethodHead, streamPath, "Accept-Encoding", "gzip")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/event-stream" || w.Header().Get("Content-Encoding") != "" || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := answerTo(t, handler, http.MethodPost, streamPath); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}
