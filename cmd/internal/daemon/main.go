package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// Version is the program's version: the one stamped by the linker, else that which
// the go command gave it, of the module or the commit it was built from.
func Version(stamped string) string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// Main runs a program until it is done or a signal asks it to end; it then has
// the grace time to finish. A second signal ends it at once. The result is the
// exit code; an error is written to stderr as the program's last words.
func Main(name string, grace time.Duration, stderr io.Writer, run func(ctx context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case err := <-ended:
		return exitCode(name, stderr, err)
	case <-ctx.Done():
	}
	stop() // from here on a signal has its usual effect
	select {
	case err := <-ended:
		return exitCode(name, stderr, err)
	case <-time.After(grace):
		return exitCode(name, stderr, fmt.Errorf("not finished %s after the signal to end", grace))
	}
}

func exitCode(name string, stderr io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return ExitFailure
}

// Usage tells the user what is wrong with the settings, one mistake a line.
func Usage(name string, stderr io.Writer, err error) int {
	for _, mistake := range flatten(err) {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, mistake)
	}
	_, _ = fmt.Fprintf(stderr, "%s --help lists all settings.\n", name)
	return ExitUsage
}

// ended drops the error of a context that ended: it was asked for.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
