package openapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

func document(t *testing.T) *Document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "query", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	page    = `{"pagination":{"limit":10,"offset":0,"total":0},"data":{"lastSyncTime":null,"lastSyncTimeISO":null,"targetGroupId":1,"targetGroupName":"","periodId":1,"periodRefCode":"","targetRuleId":1,"targetRuleName":"","rankings":[]},"errors":[],"warnings":[]}`
	refused = `{"data":null,"errors":[{"code":%,"message":"There is no such resource"}],"warnings":[]}`
)

func TestCheckFindsWhatIsNotDescribed(t *testing.T) {
	d := document(t)
	list, user := "/v3.1/leaderboards/targetGroups/1?targetId=1", "/v3.1/leaderboards/user/1"
	code := func(text string) string { return strings.Replace(refused, "%", text, 1) }
	for _, c := range []struct {
		method, target string
		status         int
		body, without  string
		right          bool
	}{
		{"GET", list, 200, page, "", true},
		{"GET", "/api_gateway/intouch-api-v3" + list, 200, page, "", true},
		{"GET", list, 200, page, "ETag", false},
		{"GET", list, 200, page, "X-Request-ID", false},
		{"GET", list, 200, page, "Content-Type", false},
		{"GET", list, 200, strings.Replace(page, `"data"`, `"more":1,"data"`, 1), "", false},
		{"GET", list, 200, strings.Replace(page, `"rankings"`, `"more":1,"rankings"`, 1), "", false},
		{"GET", list, 200, strings.Replace(page, `"periodRefCode":"",`, "", 1), "", false},
		{"GET", list, 200, strings.Replace(page, `"lastSyncTime":null`, `"lastSyncTime":"2024-06-24"`, 1), "", false},
		{"GET", list, 200, strings.Replace(page, `"warnings":[]`, `"warnings":["x"]`, 1), "", false},
		{"GET", list, 201, page, "", false},
		{"GET", list, 404, code("404"), "", false},
		{"GET", user, 403, strings.Replace(code("4000"), "There is no such resource", "Not authorized. Access is denied!", 1), "", true},
		{"GET", user, 403, code("4000"), "", false},
		{"GET", user, 400, code("310011"), "", true},
		{"GET", user, 400, code("310017"), "", false},
		{"PUT", user, 405, code("405"), "", true},
		{"PUT", user, 405, code("405"), "Allow", false},
		{"GET", "/nothing", 404, code("404"), "", true},
		{"GET", "/nothing", 404, code("405"), "", false},
		{"GET", "/nothing", 200, page, "", false},
	} {
		response := &http.Response{StatusCode: c.status, Body: io.NopCloser(strings.NewReader(c.body)), Header: http.Header{}}
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "Vary": "Accept-Encoding", "Allow": "GET",
			"ETag": `W/"0123456789abcdef"`, "X-Request-ID": "4bf92f3577b34da6a3ce929d0e0e4736",
		} {
			if name != c.without {
				response.Header.Set(name, value)
			}
		}
		if err := d.Check(httptest.NewRequest(c.method, c.target, http.NoBody), response); (err == nil) != c.right {
			t.Errorf("%s %s: %d without %q %s: %v", c.method, c.target, c.status, c.without, c.body, err)
		}
	}
}

func TestExamplesAreAsDescribed(t *testing.T) {
	checked := 0
	check := func(name string, content *orderedmap.Map[string, *v3.MediaType]) {
		for _, media := range content.FromOldest() {
			for key, example := range media.Examples.FromOldest() {
				checked++
				var value any
				if err := example.Value.Decode(&value); err != nil {
					t.Fatal(err)
				}
				if _, found := schema_validation.NewSchemaValidator().ValidateSchemaObject(media.Schema.Schema(), value); len(found) > 0 {
					t.Errorf("%s, example %s: %v", name, key, joined(found))
				}
			}
		}
	}
	for path, item := range document(t).Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			if operation.RequestBody != nil {
				check(method+" "+path, operation.RequestBody.Content)
			}
			for status, response := range operation.Responses.Codes.FromOldest() {
				check(method+" "+path+" "+status, response.Content)
			}
		}
	}
	if checked < 10 {
		t.Errorf("there are only %d examples", checked)
	}
}
