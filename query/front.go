package query

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/rs/cors"
)

// front puts before the routes what has to do with browsers and with the transfer,
// and nothing with what is asked.
func front(routes http.Handler, corsOrigins []string) http.Handler {
	handler := compressed(routes)
	if len(corsOrigins) > 0 {
		handler = crossOrigin(corsOrigins).Handler(handler)
	}
	return secured(handler)
}

// minCompressedBytes is what fits into a packet, or nearly: less is not sent sooner
// for being compressed.
const minCompressedBytes = 1024

// compressed sends what is longer with gzip to clients that accept it.
func compressed(handler http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.EnableZstd(false),
		gzhttp.MinSize(minCompressedBytes),
		gzhttp.CompressionLevel(gzip.BestSpeed), // a third larger than the best, in a third of the time
		// A stream would keep a compressor for each of its clients.
		gzhttp.ContentTypeFilter(func(contentType string) bool { return contentType != streamType }),
	)
	if err != nil {
		panic(err) // the options are constants
	}
	compressing := wrap(handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header["Accept-Encoding"] != nil {
			compressing(w, r)
			return
		}
		// The wrapper would look at the header after the answer, for which net/http
		// has to copy it.
		w.Header().Add("Vary", "Accept-Encoding")
		handler.ServeHTTP(w, r)
	})
}

// crossOrigin lets pages of these origins call from a browser. Preflight requests,
// which carry no credentials, are answered here.
func crossOrigin(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{
			"Authorization", "X-Cap-Api-Oauth-Token", "Content-Type", "If-None-Match", "Last-Event-Id",
			"Data-Scope", "Data-Scope-Org", "Data-Scope-Orgs", "Traceparent", "Tracestate",
		},
		ExposedHeaders: []string{"Etag", "Retry-After", "X-Request-Id"},
		MaxAge:         600,
	})
}

// CheckOrigin finds fault with an origin that [Config].CORSOrigins cannot have: it is
// *, or scheme://host[:port] in which one * may stand for a part of the host.
func CheckOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	one := strings.Replace(origin, "*", "any", 1)
	u, err := url.Parse(one)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != one || strings.Contains(one, "*") {
		return fmt.Errorf("%q is no origin such as https://shop.example", origin)
	}
	return nil
}

// Values of headers that all answers share.
var (
	noSniff   = []string{"nosniff"}
	strictTLS = []string{"max-age=31536000"}
)

// secured tells browsers to make of an answer no more than it is. What matters for
// pages alone (Content-Security-Policy, Referrer-Policy) goes with pages alone: a
// request pays for more than eight headers with as much time as for all the rest here.
func secured(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Content-Type-Options"] = noSniff
		if r.TLS != nil {
			w.Header()["Strict-Transport-Security"] = strictTLS
		}
		handler.ServeHTTP(w, r)
	})
}
