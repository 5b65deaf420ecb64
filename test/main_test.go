// Package test holds the tests that need real servers and the real programs.
package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"leaderboard/test/openapi"
	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// described is what the query service says of itself. All its answers in these tests
// are held against it.
var described *openapi.Document

func TestMain(m *testing.M) {
	text, err := os.ReadFile(filepath.Join("..", "query", "openapi.yaml"))
	if err == nil {
		described, err = openapi.Parse(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "read the document of the API:", err)
		os.Exit(1)
	}
	http.DefaultClient.Transport = &openapi.Transport{Document: described, Next: http.DefaultTransport}
	code := m.Run()
	servers.Stop()
	programs.Remove()
	os.Exit(code)
}
