package query

import (
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// entityTag is the tag of an answer. It is a weak one, because it is the same
// whether the answer is compressed or not.
func entityTag(body []byte) string {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(body))
	tag := append(make([]byte, 0, len(`W/"0123456789abcdef"`)), `W/"`...)
	return string(append(hex.AppendEncode(tag, sum[:]), '"'))
}

// isHeld tells whether the client has the answer of this tag already and asks
// whether it is still the one.
func isHeld(r *http.Request, tag string) bool {
	for _, list := range r.Header["If-None-Match"] {
		for held := range strings.SplitSeq(list, ",") {
			held = strings.TrimSpace(held)
			if held == "*" || strings.TrimPrefix(held, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// isRead is true of the methods whose answers have a tag.
func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }
