package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"leaderboard"
	"leaderboard/consumer"
)

// Tracing are the settings of the traces. The SDK reads more from the environment:
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES and so on.
type Tracing struct {
	Endpoint string `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"Send traces here with OTLP (http/protobuf, to URL/v1/traces); none are made without it. Other variables of OpenTelemetry, such as OTEL_TRACES_SAMPLER, are heeded."`
}

// Check names what is wrong with the settings.
func (t Tracing) Check() error {
	if t.Endpoint == "" {
		return nil
	}
	if u, err := url.Parse(t.Endpoint); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Mistakenf("otlp-endpoint", "%q is no URL such as http://localhost:4318", t.Endpoint)
	}
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return Mistakenf("otlp-endpoint", "OTEL_EXPORTER_OTLP_PROTOCOL is %q; only http/protobuf is spoken", protocol)
	}
	return nil
}

// Tracer makes the traces of a program. A nil one makes none and costs nothing.
type Tracer struct {
	provider *sdktrace.TracerProvider
}

// Start makes the Tracer of the program, nil when the settings ask for none.
func (t Tracing) Start(ctx context.Context, program, version string, log *slog.Logger) (*Tracer, error) {
	if t.Endpoint == "" {
		return nil, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces cannot be sent", "error", err) }))
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(t.Endpoint, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT): %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("leaderboard-"+program), semconv.ServiceVersion(version)),
		resource.WithFromEnv(), // last, so that OTEL_SERVICE_NAME counts
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return &Tracer{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(impersonal{exporter}),
		sdktrace.WithResource(about),
	)}, nil
}

// flushTime is how long the last traces may take to be sent.
const flushTime = 5 * time.Second

// Close sends what is left.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the error handler has told
}

// TraceRedis makes a span of every request to Redis.
func (t *Tracer) TraceRedis(client redis.UniversalClient) error {
	if t == nil {
		return nil
	}
	return redisotel.InstrumentTracing(client,
		redisotel.WithTracerProvider(t.provider),
		redisotel.WithDBStatement(false), // it holds ids of users
		redisotel.WithCallerEnabled(false),
	)
}

// traceHTTP makes a span of every request, below that of the request's traceparent.
func (t *Tracer) traceHTTP(handler http.Handler) http.Handler {
	if t == nil {
		return handler
	}
	w3c := propagation.TraceContext{}
	traced := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What the request is known by is its trace's id, also of one that begins here.
		w3c.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
		handler.ServeHTTP(w, r)
		trace.SpanFromContext(r.Context()).SetAttributes(semconv.HTTPRoute(r.Pattern))
	})
	return otelhttp.NewHandler(traced, "", otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(w3c))
}

// traceBoards makes a span of every batch of records.
func (t *Tracer) traceBoards(boards consumer.Boards) consumer.Boards {
	if t == nil {
		return boards
	}
	return tracedBoards{boards, t.provider.Tracer("leaderboard/consumer")}
}

type tracedBoards struct {
	consumer.Boards
	tracer trace.Tracer
}

// Apply folds a batch, see [consumer.Boards].
func (b tracedBoards) Apply(ctx context.Context, batch leaderboard.Batch) (leaderboard.Outcome, error) {
	ctx, span := b.tracer.Start(ctx, "apply batch", trace.WithAttributes(
		semconv.MessagingBatchMessageCount(len(batch.Records)),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(batch.Partition)),
	))
	defer span.End()
	outcome, err := b.Boards.Apply(ctx, batch)
	if err != nil {
		span.SetStatus(codes.Error, "")
	}
	return outcome, err
}

// impersonal exports what is told of a span by its name, times and these attributes:
// paths, addresses and the texts of errors can hold what is personal.
type impersonal struct{ sdktrace.SpanExporter }

var exportedAttributes = map[attribute.Key]bool{
	semconv.HTTPRequestMethodKey:               true,
	semconv.HTTPRouteKey:                       true,
	semconv.HTTPRequestBodySizeKey:             true,
	semconv.HTTPResponseBodySizeKey:            true,
	semconv.HTTPResponseStatusCodeKey:          true,
	semconv.URLSchemeKey:                       true,
	semconv.NetworkProtocolVersionKey:          true,
	semconv.ErrorTypeKey:                       true,
	semconv.MessagingBatchMessageCountKey:      true,
	semconv.MessagingDestinationPartitionIDKey: true,
	"db.system":        true,
	"db.redis.num_cmd": true,
}

// ExportSpans exports what may be told of the spans.
func (e impersonal) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	told := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		told[i] = impersonalSpan{span}
	}
	return e.SpanExporter.ExportSpans(ctx, told)
}

type impersonalSpan struct{ sdktrace.ReadOnlySpan }

func (s impersonalSpan) Attributes() []attribute.KeyValue {
	var told []attribute.KeyValue
	for _, a := range s.ReadOnlySpan.Attributes() {
		if exportedAttributes[a.Key] {
			told = append(told, a)
		}
	}
	return told
}

func (s impersonalSpan) Events() []sdktrace.Event { return nil }

func (s impersonalSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}
