package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is a connection to a server that can be spoiled.
type link struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// The directions in which a link can be spoiled.
const (
	requests = "upstream"
	answers  = "downstream"
)

// newLink makes a link to the server at addr.
func newLink(t *testing.T, addr string) *link {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", addr)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return &link{t, proxy}
}

// Addr is where the server can be reached by the link.
func (l *link) Addr() string { return l.proxy.Listen }

// spoil adds one of toxiproxy's toxics.
func (l *link) spoil(kind, direction string, attributes map[string]int) {
	l.t.Helper()
	toxic, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(toxic)); err != nil {
		l.t.Fatal(err)
	}
}

// mend takes all toxics away.
func (l *link) mend() { l.proxy.Toxics.ResetToxics(context.Background()) }

// sever ends all connections and refuses new ones until join.
func (l *link) sever() { l.proxy.Stop() }

func (l *link) join() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatal(err)
	}
}
