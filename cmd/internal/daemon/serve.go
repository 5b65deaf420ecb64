package daemon

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Service is a part of a program that works until it is asked to end.
type Service interface {
	// Run works until ctx ends and all that it started has ended. An error
	// before that ends the program.
	Run(ctx context.Context) error
	// Ready is nil when the service can do its work, else one sentence that
	// says what is missing.
	Ready(ctx context.Context) error
}

// Serve runs the services, with the admin endpoints beside them, until ctx ends
// or one of them fails. The registry has their metrics.
func Serve(ctx context.Context, admin net.Listener, registry *prometheus.Registry, log *slog.Logger, services ...Service) error {
	measureReady(registry, services)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(ctx, admin, adminHandler(registry, services), readyTimeout, log) })
	for _, service := range services {
		group.Go(func() error { return ended(service.Run(ctx)) })
	}
	return group.Wait()
}
