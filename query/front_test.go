package query

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	top100 = "/v3.1/leaderboards/targetGroups/2?targetId=3&pageSize=100"
	top1   = "/v3.1/leaderboards/targetGroups/2?targetId=3&pageSize=1"
	user7  = "/v3.1/leaderboards/user/7"
)

// answerTo is the handler's answer to a request with these headers, name and value
// by turns.
func answerTo(t *testing.T, handler http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return answerToBody(t, handler, method, target, http.NoBody, headers...)
}

// answerToBody is that to a request with a body.
func answerToBody(t *testing.T, handler http.Handler, method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	r.SetBasicAuth("shop", "secret")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestLongAnswersAreCompressedForWhoAcceptsIt(t *testing.T) {
	handler := smallService(t)
	plain := answerTo(t, handler, http.MethodGet, top100)
	for _, c := range []struct {
		target, accepted, encoding string
	}{
		{top100, "gzip", "gzip"},
		{top100, "br, zstd, gzip;q=0.5", "gzip"},
		{top100, "zstd", ""},
		{top100, "gzip;q=0", ""},
		{top100, "", ""},
		{top1, "gzip", ""},
	} {
		w := answerTo(t, handler, http.MethodGet, c.target, "Accept-Encoding", c.accepted)
		if got := w.Header().Get("Content-Encoding"); got != c.encoding || w.Code != http.StatusOK {
			t.Errorf("%s to a client that accepts %q: %d, encoded with %q, want %q", c.target, c.accepted, w.Code, got, c.encoding)
		}
		if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("%s to a client that accepts %q: Vary is %q", c.target, c.accepted, got)
		}
		if c.encoding != "gzip" {
			continue
		}
		if length := plain.Body.Len(); w.Body.Len() > length/3 {
			t.Errorf("%d bytes are %d compressed", length, w.Body.Len())
		}
		unpacked, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(unpacked)
		if err != nil || string(body) != plain.Body.String() {
			t.Errorf("unpacked (%v) it is not the plain answer: %s", err, body)
		}
		if got, want := w.Header().Get("ETag"), plain.Header().Get("ETag"); got != want {
			t.Errorf("the tag is %s, that of the plain answer %s", got, want)
		}
	}
}

func TestAnAnswerThatTheClientHoldsIsNotSentAgain(t *testing.T) {
	handler := smallService(t)
	tag := answerTo(t, handler, http.MethodGet, user7).Header().Get("ETag")
	other := answerTo(t, handler, http.MethodGet, "/v3.1/leaderboards/user/8").Header().Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || tag == other {
		t.Fatalf("the tags are %s and %s", tag, other)
	}
	for _, c := range []struct {
		method, held string
		status       int
	}{
		{http.MethodGet, tag, http.StatusNotModified},
		{http.MethodHead, tag, http.StatusNotModified},
		{http.MethodGet, strings.TrimPrefix(tag, "W/"), http.StatusNotModified},
		{http.MethodGet, other + ", " + tag, http.StatusNotModified},
		{http.MethodGet, "*", http.StatusNotModified},
		{http.MethodGet, other, http.StatusOK},
		{http.MethodGet, "", http.StatusOK},
		{http.MethodPost, tag, http.StatusOK},
	} {
		w := answerTo(t, handler, c.method, user7, "If-None-Match", c.held, "Accept-Encoding", "gzip")
		if w.Code != c.status {
			t.Errorf("%s with %s held: %d, want %d", c.method, c.held, w.Code, c.status)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control is %q", got)
		}
		if c.status == http.StatusNotModified && (w.Body.Len() != 0 || w.Header().Get("ETag") != tag) {
			t.Errorf("not modified, with the tag %s and %d bytes", w.Header().Get("ETag"), w.Body.Len())
		}
	}
	if w := answerTo(t, handler, http.MethodPost, user7); w.Header().Get("ETag") != "" {
		t.Error("the answer to a POST has a tag")
	}
	if w := answerTo(t, handler, http.MethodGet, "/v3.1/leaderboards/user/x", "If-None-Match", "*"); w.Code != http.StatusBadRequest || w.Header().Get("ETag") != "" {
		t.Errorf("an error has the tag %q and status %d", w.Header().Get("ETag"), w.Code)
	}
}

func TestBrowsersAreToldHowToTakeAnAnswer(t *testing.T) {
	handler := smallService(t)
	for _, secure := range []bool{false, true} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, user7, http.NoBody)
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("X-Content-Type-Options is %q", got)
		}
		if got := w.Header().Get("Strict-Transport-Security"); (got == "max-age=31536000") != secure {
			t.Errorf("over TLS (%v) Strict-Transport-Security is %q", secure, got)
		}
	}
}

func TestPagesOfOtherOriginsMayCallOnlyWhenAllowed(t *testing.T) {
	const shop, stranger = "https://shop.example", "https://stranger.example"
	closed := smallService(t)
	open := smallService(t, func(cfg *Config) { cfg.CORSOrigins = []string{shop, "https://*.acme.example"} })
	for _, c := range []struct {
		handler         http.Handler
		origin, allowed string
	}{
		{closed, shop, ""},
		{open, shop, shop},
		{open, "https://eu.acme.example", "https://eu.acme.example"},
		{open, stranger, ""},
		{open, "http://shop.example", ""},
	} {
		if w := answerTo(t, c.handler, http.MethodGet, user7, "Origin", c.origin); w.Header().Get("Access-Control-Allow-Origin") != c.allowed || w.Code != http.StatusOK {
			t.Errorf("%s gets %d, allowed %q", c.origin, w.Code, w.Header().Get("Access-Control-Allow-Origin"))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, user7, http.NoBody)
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,data-scope")
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.allowed {
			t.Errorf("the preflight of %s allows %q", c.origin, got)
		}
		if c.allowed != "" && (w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Headers") == "") {
			t.Errorf("the preflight of %s: %d %v", c.origin, w.Code, w.Header())
		}
	}
	if w := answerTo(t, open, http.MethodGet, user7, "Origin", shop); !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Origin") {
		t.Errorf("Vary is %v", w.Header().Values("Vary"))
	}
}

func TestOrigins(t *testing.T) {
	for origin, fine := range map[string]bool{
		"*": true, "https://shop.example": true, "http://localhost:3000": true, "https://*.shop.example": true,
		"": false, "shop.example": false, "https://shop.example/": false, "https://shop.example/a": false,
		"https://*.*.example": false, "ftp://shop.example": false, "https://user@shop.example": false, "null": false,
	} {
		if err := CheckOrigin(origin); (err == nil) != fine {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
