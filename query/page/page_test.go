package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, signIn SignIn, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	handler, err := New(signIn)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestPageHasAllThatItNames(t *testing.T) {
	index := get(t, SignIn{}, http.MethodGet, "/")
	if index.Code != http.StatusOK || index.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", index.Code, index.Header())
	}
	named := regexp.MustCompile(`(?:src|href)="(page/[^"]+)"`).FindAllStringSubmatch(index.Body.String(), -1)
	if len(named) < 3 {
		t.Errorf("the page names %q", named)
	}
	for _, name := range named {
		file := get(t, SignIn{}, http.MethodGet, "/"+name[1])
		if file.Code != http.StatusOK || strings.HasPrefix(file.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %v", name[1], file.Code, file.Header())
		}
		again := get(t, SignIn{}, http.MethodGet, "/"+name[1], "If-None-Match", file.Header().Get("ETag"))
		if again.Code != http.StatusNotModified {
			t.Errorf("%s, which the browser holds: %d", name[1], again.Code)
		}
	}
	for _, absent := range []string{"/page/", "/page/page.go", "/page/index.html", "/other"} {
		if w := get(t, SignIn{}, http.MethodGet, absent); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", absent, w.Code)
		}
	}
	if w := get(t, SignIn{}, http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestPageRunsNothingButItsOwnFiles(t *testing.T) {
	for _, path := range []string{"/", "/page/main.js", "/page/page.css"} {
		w := get(t, SignIn{}, http.MethodGet, path)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if found := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+="|https?://|innerHTML`).FindString(w.Body.String()); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
}

func TestPageSignsInWithWhatItIsGiven(t *testing.T) {
	if body := get(t, SignIn{}, http.MethodGet, "/").Body.String(); strings.Contains(body, "data-secret") {
		t.Error("a page that is to ask for credentials has some")
	}
	body := get(t, SignIn{ID: `a"b`, Secret: "<s>"}, http.MethodGet, "/").Body.String()
	if !strings.Contains(body, `<body data-client="a&#34;b" data-secret="&lt;s&gt;">`) {
		t.Errorf("the page is %s", body)
	}
}
