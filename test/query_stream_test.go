package test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard"
	"leaderboard/test/programs"
)

// follower is a client of a stream, which reads it all along.
type follower struct {
	t *testing.T

	mu     sync.Mutex
	events []streamEvent
	ended  chan struct{}
	// err is what the stream ended with, once ended is closed.
	err error
}

type streamEvent struct{ name, id, data string }

// followStream opens a stream, with a client that does not read all of an answer to
// hold it against the document of the API.
func followStream(t *testing.T, client *http.Client, url, id, secret string) *follower {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(id, secret)
	response, err := client.Do(r) //nolint:bodyclose // read closes it
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("%s: %d %s", url, response.StatusCode, text)
	}
	f := &follower{t: t, ended: make(chan struct{})}
	go f.read(response.Body)
	return f
}

func (f *follower) read(body io.ReadCloser) {
	defer close(f.ended)
	defer body.Close()
	lines := bufio.NewReader(body)
	var event streamEvent
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			f.err = err
			return
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "event":
			event.name = value
		case "id":
			event.id = value
		case "data":
			event.data = value
		case "":
			if event.data != "" {
				f.mu.Lock()
				f.events = append(f.events, event)
				f.mu.Unlock()
			}
			event = streamEvent{}
		}
	}
}

func (f *follower) last() streamEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		return streamEvent{}
	}
	return f.events[len(f.events)-1]
}

// await waits until the last event is of that name and holds the text.
func (f *follower) await(name, text string) streamEvent {
	f.t.Helper()
	programs.Await(f.t, "the event "+name+" with "+text, func() error {
		if e := f.last(); e.name != name || !strings.Contains(e.data, text) {
			return fmt.Errorf("the last one is %+v", e)
		}
		return nil
	})
	return f.last()
}

// awaitEnd waits until the stream has ended as it should.
func (f *follower) awaitEnd() {
	f.t.Helper()
	select {
	case <-f.ended:
	case <-time.After(time.Minute):
		f.t.Fatal("the stream goes on")
	}
	if !errors.Is(f.err, io.EOF) {
		f.t.Errorf("the stream ended with %v", f.err)
	}
}

const documentedStream = topPath + "232/stream?targetId=366&periodId=243"

func TestStreamIsRefusedAsTheRankedListIs(t *testing.T) {
	s := startQueryService(t)
	board := "232?targetId=366"
	for name, req := range map[string]queryRequest{
		"no credentials":          {path: board, client: "-"},
		"unknown client":          {path: board, client: "stranger"},
		"no access":               {path: board, client: "rankonly"},
		"another method":          {path: board, method: http.MethodPost},
		"targetId missing":        {path: "232"},
		"group no number":         {path: "x?targetId=366"},
		"pageSize under 1":        {path: board + "&pageSize=0"},
		"malformed query string":  {path: board + "&x=%zz"},
		"organisation off":        {path: board, client: "off"},
		"foreign organisation":    {path: board, client: "parent", headers: scopeHeaders("OTHER", "123")},
		"unknown scope":           {path: board, headers: scopeHeaders("Mine", "")},
		"group of another":        {path: "332?targetId=1"},
		"group inactive":          {path: "233?targetId=366"},
		"leaderboard off":         {path: "234?targetId=366"},
		"rule not of the group":   {path: "232?targetId=1"},
		"period not of the group": {path: board + "&periodId=999"},
		"no period is running":    {path: "235?targetId=366"},
	} {
		t.Run(name, func(t *testing.T) {
			group, query, _ := strings.Cut(req.path, "?")
			for _, root := range []string{"", prefix} {
				top, stream := req, req
				top.path, stream.path = root+topPath+req.path, root+topPath+group+"/stream?"+query
				want, got := s.ask(top), s.ask(stream)
				if want.status == http.StatusOK || got.status != want.status || got.body != want.body {
					t.Errorf("the stream: %d %s, the list: %d %s", got.status, got.body, want.status, want.body)
				}
				for _, header := range []string{"Content-Type", "WWW-Authenticate", "Allow"} {
					if got, want := got.header.Get(header), want.header.Get(header); got != want {
						t.Errorf("%s is %q, %q of the list", header, got, want)
					}
				}
			}
		})
	}
	s.process.Stop()
	req := queryRequest{path: documentedStream}
	expectError(t, req, s.ask(req), 503, 503, textUnavailable)
}

// TestStreamTellsWhatTheRankedListDoes follows a board through the real programs.
func TestStreamTellsWhatTheRankedListDoes(t *testing.T) {
	d := dataset{org: "1", catalog: t.TempDir() + "/catalog.yaml"}
	writeFile(t, d.catalog, deadLetterCatalog)
	s := startServices(t, d)
	const board = "/v3.1/leaderboards/targetGroups/10%s?targetId=7&periodId=1"
	f := followStream(t, new(http.Client), s.query.API()+fmt.Sprintf(board, "/stream"), "tester", "a secret")
	f.await("board", `"total":0`)
	writer := &kafka.Writer{Addr: kafka.TCP(s.brokers...), Topic: s.topics + "activities", RequiredAcks: kafka.RequireAll, Transport: &kafka.Transport{}} // another one may not know the new topic yet
	defer writer.Close()
	for i, user := range []int{5, 6, 6} {
		value := fmt.Appendf(nil, `{"orgId":1,"userId":%d,"targetGroupId":10,"targetRuleId":7,"periodId":1,"value":%d,"activityTime":"2022-11-25T16:14:4%d.000Z"}`, user, 10+i, i)
		if err := writer.WriteMessages(t.Context(), kafka.Message{Key: fmt.Appendf(nil, "1:%d", user), Value: value}); err != nil {
			t.Fatal(err)
		}
		f.await("board", fmt.Sprintf(`"rankings":[{"rank":1,"userId":%d,`, user))
	}
	event := f.await("board", `"achievedValue":23,`)
	list := send(t, http.MethodGet, s.query.API()+fmt.Sprintf(board, ""), "", basic("tester", "a secret"))
	if event.data != list.body || event.id != list.header.Get("ETag") {
		t.Errorf("the stream tells %+v, the list %s with the tag %s", event, list.body, list.header.Get("ETag"))
	}
	s.query.Stop() // SIGTERM, and its exit code
	f.awaitEnd()
	if e := f.last(); e != event {
		t.Errorf("the last event is %+v", e)
	}
}

func TestStreamSurvivesTheAbsenceOfRedis(t *testing.T) {
	q := startQuery(t)
	f := followStream(t, new(http.Client), q.url+documentedStream, "acme", "acme")
	f.await("board", `"total":4527`)
	q.process.Stop()
	f.await("unavailable", textUnavailable)
	q.process.Start() // it comes back empty
	q.meta()
	q.catalog(queryCatalog)
	seedDocumentedBoard(q.queryService)
	f.await("board", `"total":4527`)
}

func TestStreamEndsWhenItsClientIsRemoved(t *testing.T) {
	s := startSecured(t)
	url := s.query.API() + topPath + "232/stream?targetId=366&periodId=243"
	f := followStream(t, new(http.Client), url, "shop", "change-me")
	f.await("board", `"total":0`)
	s.change("remove", "--id", "shop")
	f.await("end", textAuthentication)
	f.awaitEnd()
}

// TestSlowReaderOfAStreamIsDropped has a client take in nothing of a stream of large
// events, beside one that reads.
func TestSlowReaderOfAStreamIsDropped(t *testing.T) {
	q := startQuery(t)
	entries := ladder(100)
	for _, e := range entries {
		q.profile(50711, e.user, "birthday", strings.Repeat("x", 5000))
	}
	change := func(at time.Time) { q.board(runningBoard(365), leaderboard.Descending, at, entries...) }
	change(queryNow)
	path := topPath + "232/stream?targetId=365&periodId=244&pageSize=100"
	conn, err := net.Dial("tcp", q.Listening("api"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+basic("acme", "acme").Get("Authorization")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	f := followStream(t, new(http.Client), q.url+path, "acme", "acme")
	now := queryNow
	programs.Await(t, "the slow reader to be dropped", func() error {
		now = now.Add(time.Second)
		change(now)
		if dropped, open := q.Metric("leaderboard_stream_drops_total"), q.Metric("leaderboard_streams_open"); dropped != 1 || open != 1 {
			return fmt.Errorf("dropped are %v, open %v", dropped, open)
		}
		return nil
	})
	change(queryNow.Add(time.Hour))
	f.await("board", `"lastSyncTimeISO":"2024-06-24T13:10:00.000Z"`)
}

// TestStreamOverHTTP2 outlives, over TLS, the time that a request may take.
func TestStreamOverHTTP2(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, 1, certFile, keyFile)
	q := launchQuery(t, "--tls-cert", certFile, "--tls-key", keyFile, "--request-timeout", "1s")
	q.AwaitReady()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	f := followStream(t, &http.Client{Transport: transport}, "https://"+q.Listening("api")+documentedStream, "acme", "acme")
	f.await("board", `"total":4527`)
	// A request is cut off after 26 seconds.
	long := time.NewTimer(40 * time.Second)
	defer long.Stop()
	select {
	case <-f.ended:
		t.Fatalf("the stream ended with %v", f.err)
	case <-long.C:
	}
	q.board(leaderboard.Board{Org: 50711, Group: 232, Rule: 366, Period: 243}, leaderboard.Descending, queryNow, seedEntry{42, 1e12, queryNow})
	f.await("board", `"rankings":[{"rank":1,"userId":42,`)
	q.Stop()
	f.awaitEnd()
}
