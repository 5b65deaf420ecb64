package query

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// traceparentVersion00 is how long the header is; later versions may add to it.
const traceparentVersion00 = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

// requestID is 32 hexadecimal digits by which a request is known in the log and to
// the client: the trace's id, if the request is part of one (W3C Trace Context).
func requestID(r *http.Request) string {
	if id := traceID(r.Header.Get("Traceparent")); id != "" {
		return id
	}
	var id [16]byte
	rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// traceID is empty for a header that is not valid.
func traceID(traceparent string) string {
	if len(traceparent) < traceparentVersion00 || (traceparent[:2] == "00" && len(traceparent) > traceparentVersion00) {
		return ""
	}
	version, id, parent := traceparent[:2], traceparent[3:35], traceparent[36:52]
	switch {
	case traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-',
		!isLowerHex(version) || !isLowerHex(id) || !isLowerHex(parent),
		version == "ff" || strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "":
		return ""
	}
	return id
}

func isLowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
