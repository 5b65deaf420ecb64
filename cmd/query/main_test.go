package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/document"
)

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	parser, err := kong.New(new(settings), kong.Vars{"version": "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if len(flag.Envs) == 0 && flag.Name != "help" && flag.Name != "version" {
			t.Errorf("--%s has none", flag.Name)
		}
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	var out, words bytes.Buffer
	code := run([]string{
		"--rate-limit", "-1", "--listen", "8080", "--request-timeout", "soon", "--access-log", "some", "--max-concurrent", "0",
		"--cors-origins", "https://shop.example,shop.example", "--tls-cert", "cert.pem", "--admin-tls-key", "key.pem", "--otlp-endpoint", "collector",
	}, &out, &words)
	if code != daemon.ExitUsage {
		t.Errorf("code %d", code)
	}
	for _, part := range []string{
		"--clients-file (CLIENTS_FILE)", "--rate-limit (RATE_LIMIT)", "--listen (LISTEN)", "--request-timeout (REQUEST_TIMEOUT)",
		"--access-log (ACCESS_LOG)", "--max-concurrent (MAX_CONCURRENT)", `--cors-origins (CORS_ORIGINS): "shop.example"`,
		"--tls-key (TLS_KEY)", "--admin-tls-cert (ADMIN_TLS_CERT)", "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)",
	} {
		if !strings.Contains(words.String(), part) {
			t.Errorf("%q is not in\n%s", part, words.String())
		}
	}
}

func TestClientsFileThatDoesNotParseIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(path, []byte(`{"clients":`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, words bytes.Buffer
	code := run([]string{"--clients-file", path}, &out, &words)
	if code != daemon.ExitUsage || !strings.Contains(words.String(), "--clients-file (CLIENTS_FILE): ") || !strings.Contains(words.String(), path) {
		t.Errorf("code %d, words %q", code, words.String())
	}
}

func TestSettingsAreDocumented(t *testing.T) { document.Settings(t, new(settings), name) }
