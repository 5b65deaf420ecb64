package daemon

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds how long one answer of /readyz may look for what is missing.
const readyTimeout = 2 * time.Second

// adminHandler serves /metrics, /healthz and /readyz.
func adminHandler(gatherer prometheus.Gatherer, services []Service) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if missing := missing(ctx, services); len(missing) > 0 {
			answer(w, http.StatusServiceUnavailable, strings.Join(missing, "\n"))
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	return mux
}

// missing is one sentence for each service that cannot do its work.
func missing(ctx context.Context, services []Service) []string {
	var sentences []string
	for _, s := range services {
		if err := s.Ready(ctx); err != nil {
			sentences = append(sentences, err.Error())
		}
	}
	return sentences
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
