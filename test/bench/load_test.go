package bench

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
)

// api is an HTTP service with the connections to it, which stay open.
type api struct {
	client        *fasthttp.HostClient
	authorization string
}

func newAPI(b *testing.B, addr, id, secret string) *api {
	a := &api{
		client:        &fasthttp.HostClient{Addr: strings.TrimPrefix(addr, "http://"), MaxConns: 1024, ReadTimeout: time.Minute},
		authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret)),
	}
	b.Cleanup(a.client.CloseIdleConnections)
	return a
}

// request is what is asked of a service.
type request struct {
	path string
	// body makes it a POST.
	body string
}

// exchange is a request with its answer, to be used again and again by one goroutine.
type exchange struct {
	api      *api
	request  fasthttp.Request
	response fasthttp.Response
}

func (a *api) exchange() *exchange {
	e := &exchange{api: a}
	e.request.Header.SetHost(a.client.Addr)
	e.request.Header.Set("Authorization", a.authorization)
	return e
}

// ask sends a request and gives the answer's body, which the next one overwrites.
func (e *exchange) ask(r request) ([]byte, error) {
	e.request.SetRequestURI(r.path)
	if r.body != "" {
		e.request.Header.SetMethod(fasthttp.MethodPost)
		e.request.Header.SetContentType("application/json")
		e.request.SetBodyString(r.body)
	}
	if err := e.api.client.Do(&e.request, &e.response); err != nil {
		return nil, err
	}
	body := e.response.Body()
	if status := e.response.StatusCode(); status != fasthttp.StatusOK {
		return nil, fmt.Errorf("%s answered %d: %s", r.path, status, body)
	}
	return body, nil
}

// newHistogram is of microseconds, up to a minute.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Minute.Microseconds(), 3)
}

// quantiles adds what a histogram of microseconds says of latency.
func (r readings) quantiles(h *hdrhistogram.Histogram) readings {
	for m, q := range map[metric]float64{p50: 50, p90: 90, p99: 99, p999: 99.9} {
		r[m] = float64(h.ValueAtQuantile(q)) / 1000
	}
	return r
}

// hammer asks on so many connections at once, each again as soon as it is answered.
func (a *api) hammer(b *testing.B, connections int, d time.Duration, next func(*rand.Rand) request) readings {
	b.Helper()
	var group errgroup.Group
	histograms := make([]*hdrhistogram.Histogram, connections)
	start := time.Now()
	for i := range connections {
		group.Go(func() error {
			histograms[i] = newHistogram()
			random := rand.New(rand.NewPCG(uint64(i), 6))
			e := a.exchange()
			for {
				asked := time.Now()
				if asked.Sub(start) > d {
					return nil
				}
				if _, err := e.ask(next(random)); err != nil {
					return err
				}
				if err := histograms[i].RecordValue(time.Since(asked).Microseconds()); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatalf("ask: %v", err)
	}
	elapsed := time.Since(start)
	all := newHistogram()
	for _, h := range histograms {
		all.Merge(h)
	}
	return readings{requestsPerSecond: float64(all.TotalCount()) / elapsed.Seconds()}.quantiles(all)
}
