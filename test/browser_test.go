package test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	devtoolslog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserLimit is how long a whole visit may take on a machine that is busy.
const browserLimit = 3 * time.Minute

// browser is a real Chromium with one page, without a window.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu sync.Mutex
	// complaints are what the console has: errors, exceptions, what the policy forbids.
	complaints []string
	hosts      []string
}

// openBrowser opens a window of that size; the scheme is light or dark.
func openBrowser(t *testing.T, width, height int64, scheme string) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	t.Cleanup(cancel)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("chromium"),
		chromedp.NoSandbox, // Chromium has none for root
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()),
	)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancelAllocator)
	ctx, _ = chromedp.NewContext(ctx)
	b := &browser{t: t, ctx: ctx}
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // waits until it has ended
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("Chromium does not start (make servers installs it): %v", err)
	}
	b.do(chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// note keeps what the page asks for and complains about.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && !slices.Contains(b.hosts, u.Host) {
			b.hosts = append(b.hosts, u.Host)
		}
	case *devtoolslog.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			b.complaints = append(b.complaints, arg.Value.String())
		}
	}
}

// expectQuiet requires that the page asks its own host alone and complains of nothing.
func (b *browser) expectQuiet(host string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		b.t.Errorf("the console has %q", b.complaints)
	}
	if !slices.Equal(b.hosts, []string{host}) {
		b.t.Errorf("the page asked the hosts %q, want %s alone", b.hosts, host)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of a JavaScript expression in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// await waits until the expression is true in the page.
func (b *browser) await(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(shown)))
	if err != nil {
		b.t.Fatalf("not within %s in the page: %s: %v", shown, expression, err)
	}
}
