package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
)

// Prometheus starts a Prometheus of the test's own with that configuration file.
func Prometheus(t testing.TB, config string) *Process {
	t.Helper()
	s, err := launch(context.Background(), func(port int) (*server, error) { return newPrometheus(port, config) })
	if err != nil {
		t.Fatalf("start a Prometheus: %v", err)
	}
	return control(t, s)
}

func newPrometheus(port int, config string) (*server, error) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, errors.New("prometheus is not on PATH; install it with `make servers`")
	}
	dir, err := newDir("prometheus")
	if err != nil {
		return nil, err
	}
	s := &server{addr: loopback(port)}
	s.machine = newProcess(dir, path, "--config.file", config, "--storage.tsdb.path", dir, "--web.listen-address", s.addr, "--log.level", "warn")
	s.ready = func(ctx context.Context) error { return prometheusReady(ctx, s.addr, dir) }
	return s, nil
}

// prometheusReady is nil when the Prometheus at addr answers, if that is the one
// whose directory is dir.
func prometheusReady(ctx context.Context, addr, dir string) error {
	client, err := api.NewClient(api.Config{Address: "http://" + addr, Client: http.DefaultClient})
	if err != nil {
		return err
	}
	queries := prometheus.NewAPI(client)
	flags, err := queries.Flags(ctx)
	if err != nil {
		return err
	}
	if flags["storage.tsdb.path"] != dir {
		return fmt.Errorf("%s belongs to another Prometheus", addr)
	}
	info, err := queries.Buildinfo(ctx)
	if err == nil {
		announce("prometheus", "prometheus: %s started at %s", info.Version, addr)
	}
	return err
}
