package query

import (
	_ "embed"
	"net/http"
	"sync"

	"leaderboard/query/reference"
)

// document says in OpenAPI 3.1 what the service answers. The tests hold every answer
// against it.
//
//go:embed openapi.yaml
var document []byte

// cachePublicly is for what is the same for everybody, until the service is replaced.
var cachePublicly = []string{"public, max-age=300"}

// describeAPI answers GET /openapi.yaml.
func describeAPI(c *call) ([]byte, error) {
	c.header = http.Header{"Content-Type": {"application/yaml"}, "Cache-Control": cachePublicly}
	return document, nil
}

// showReference answers GET /docs.
func showReference(c *call) ([]byte, error) {
	page, err := referencePage()
	if err != nil {
		return nil, err
	}
	c.header = http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Cache-Control":           cachePublicly,
		"Content-Security-Policy": {page.Policy},
		"Referrer-Policy":         {"no-referrer"},
	}
	return page.HTML, nil
}

var referencePage = sync.OnceValues(func() (*reference.Page, error) { return reference.Render(document) })
