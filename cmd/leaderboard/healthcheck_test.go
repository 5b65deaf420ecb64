package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"leaderboard/cmd/internal/daemon"
)

func TestHealthcheckGoesByTheStatus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("said of " + r.URL.Path + "\n"))
	}))
	t.Cleanup(server.Close)
	if code, out, words := invoke(t, "", "healthcheck", "--url", server.URL+"/readyz"); code != daemon.ExitOK || out != "said of /readyz\n" || words != "" {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	code, out, words := invoke(t, "", "healthcheck", "--url", server.URL+"/other")
	if code != daemon.ExitFailure || out != "" || !strings.Contains(words, "503") || !strings.Contains(words, "said of /other") {
		t.Errorf("code %d, out %q, words %q", code, out, words)
	}
	server.Close()
	if code, _, _ := invoke(t, "", "healthcheck", "--url", server.URL); code != daemon.ExitFailure {
		t.Errorf("nobody there: code %d", code)
	}
}
