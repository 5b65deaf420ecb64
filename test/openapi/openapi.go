// Package openapi holds the answers of the query service against the document in
// which it describes them.
package openapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	failure "github.com/pb33f/libopenapi-validator/errors"
	"github.com/pb33f/libopenapi-validator/paths"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// Document is a description of the API.
type Document struct {
	Model     *v3.Document
	validator validator.Validator
	// elsewhere describes the answers where the document describes no call.
	elsewhere *v3.PathItem
}

// Parse reads a document, which has to be a valid one.
func Parse(text []byte) (*Document, error) {
	parsed, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	model, err := parsed.BuildV3Model()
	if err != nil {
		return nil, err
	}
	v, problems := validator.NewValidator(parsed)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if _, found := v.ValidateDocument(); len(found) > 0 {
		return nil, joined(found)
	}
	codes := orderedmap.New[string, *v3.Response]()
	codes.Set("404", model.Model.Components.Responses.GetOrZero("NotFound"))
	codes.Set("405", model.Model.Components.Responses.GetOrZero("MethodNotAllowed"))
	elsewhere := &v3.PathItem{Get: &v3.Operation{Responses: &v3.Responses{Codes: codes}}}
	return &Document{Model: &model.Model, validator: v, elsewhere: elsewhere}, nil
}

// Check says where an answer is not as the document describes it: its status, its
// headers and, if it is JSON, its body, in which nothing may be that is not described.
// The body can be read again. Others are not read: one may be a stream.
func (d *Document) Check(request *http.Request, response *http.Response) error {
	read := *response
	read.Body = http.NoBody
	var body []byte
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		sent, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(sent))
		if err != nil {
			return err
		}
		if body = sent; response.Header.Get("Content-Encoding") == "gzip" {
			if body, err = unpacked(sent); err != nil {
				return err
			}
		}
		read.Body = io.NopCloser(bytes.NewReader(body))
	}
	checked := request.Clone(request.Context())
	checked.URL.Path = withoutPrefix(checked.URL.Path)
	path, problems, pattern := paths.FindPath(checked, d.Model, nil)
	if len(problems) > 0 {
		checked.Method, path, pattern = http.MethodGet, d.elsewhere, "elsewhere"
	}
	_, found := d.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(checked, &read, path, pattern)
	if err := joined(found); err != nil {
		return fmt.Errorf("%s %s: the answer %s is not as openapi.yaml has it: %w\n%.2000s", request.Method, request.URL, response.Status, err, body)
	}
	return nil
}

// withoutPrefix is a path as the document has it: every one is served with the prefix too.
func withoutPrefix(path string) string {
	return strings.TrimPrefix(path, "/api_gateway/intouch-api-v3")
}

func unpacked(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func joined(found []*failure.ValidationError) error {
	all := make([]error, len(found))
	for i, f := range found {
		all[i] = f
	}
	return errors.Join(all...)
}
