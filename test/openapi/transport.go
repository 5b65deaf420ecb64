package openapi

import (
	"net/http"
	"strings"
)

// Transport fails where the query service answers what the document does not describe.
type Transport struct {
	Document *Document
	Next     http.RoundTripper
}

// RoundTrip lets the answers of others pass: the query service's are those for its
// paths, and all that have an X-Request-ID.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.Next.RoundTrip(request)
	if err != nil || !isOurs(request, response) {
		return response, err
	}
	if err := t.Document.Check(request, response); err != nil {
		return nil, err
	}
	return response, nil
}

func isOurs(request *http.Request, response *http.Response) bool {
	path := withoutPrefix(request.URL.Path)
	isPreflight := request.Method == http.MethodOptions && request.Header.Get("Access-Control-Request-Method") != ""
	return !isPreflight && request.Method != http.MethodHead && (strings.HasPrefix(path, "/v3") || response.Header.Get("X-Request-ID") != "")
}
