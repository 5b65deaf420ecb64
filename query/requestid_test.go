package query

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestARequestIsKnownByItsTrace(t *testing.T) {
	handler := smallService(t)
	const trace, rest = "4bf92f3577b34da6a3ce929d0e0e4736", "-00f067aa0ba902b7-01"
	id := func(traceparent string) string {
		return answerTo(t, handler, http.MethodGet, user7, "Traceparent", traceparent).Header().Get("X-Request-ID")
	}
	for _, valid := range []string{"00-" + trace + rest, "01-" + trace + rest + "-more"} {
		if got := id(valid); got != trace {
			t.Errorf("%s gives %q", valid, got)
		}
	}
	made := map[string]bool{}
	for _, invalid := range []string{
		"", "x", "00-" + trace, "00-" + trace + rest + "-more", "ff-" + trace + rest, "00-" + strings.Repeat("0", 32) + rest,
		"00-" + strings.ToUpper(trace) + rest, "00-" + trace + "-0000000000000000-01", "00_" + trace + rest, "00-" + trace[:31] + "\"" + rest,
	} {
		got := id(invalid)
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got) || got == trace || made[got] {
			t.Errorf("%q gives %q", invalid, got)
		}
		made[got] = true
	}
}
