package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonReader reads a text value by value. It takes for JSON what encoding/json
// does, and what it returns is part of the text where it can be.
type jsonReader struct {
	text    string
	copied  bytes.Buffer
	decoder jsontext.Decoder
}

var errWrongKind = errors.New("not the kind of JSON value that is expected")

var jsonReaders = sync.Pool{New: func() any { return new(jsonReader) }}

func newJSONReader(text string) *jsonReader {
	r := jsonReaders.Get().(*jsonReader)
	r.text = text
	r.copied.Reset()
	r.copied.WriteString(text)
	r.decoder.Reset(&r.copied, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return r
}

// free lets others use the reader; what it has returned stays.
func (r *jsonReader) free() {
	r.text = ""
	jsonReaders.Put(r)
}

// The kind of the next value.
func (r *jsonReader) isNull() bool   { return r.decoder.PeekKind() == 'n' }
func (r *jsonReader) isObject() bool { return r.decoder.PeekKind() == '{' }
func (r *jsonReader) isArray() bool  { return r.decoder.PeekKind() == '[' }

// object reads an object; member is called behind every name and reads the value.
func (r *jsonReader) object(member func(name string) error) error {
	if start, err := r.decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return errWrongKind
	}
	for r.decoder.PeekKind() != '}' {
		name, err := r.string()
		if err == nil {
			err = member(name)
		}
		if err != nil {
			return err
		}
	}
	_, err := r.decoder.ReadToken()
	return err
}

// array reads an array; element is called before every element and reads it.
func (r *jsonReader) array(element func(i int) error) error {
	if start, err := r.decoder.ReadToken(); err != nil || start.Kind() != '[' {
		return errWrongKind
	}
	for i := 0; r.decoder.PeekKind() != ']'; i++ {
		if err := element(i); err != nil {
			return err
		}
	}
	_, err := r.decoder.ReadToken()
	return err
}

// value reads any value and returns its JSON.
func (r *jsonReader) value() (string, error) {
	raw, err := r.decoder.ReadValue()
	end := int(r.decoder.InputOffset())
	return r.text[end-len(raw) : end], err
}

// number reads a whole number; null leaves it as it was.
func (r *jsonReader) number(was int64) (int64, error) {
	raw, err := r.value()
	if err != nil || raw == "null" {
		return was, err
	}
	return strconv.ParseInt(raw, 10, 64)
}

// string reads a string; null is the empty one.
func (r *jsonReader) string() (string, error) {
	raw, err := r.value()
	switch {
	case err != nil || raw == "null":
		return "", err
	case raw[0] != '"':
		return "", errWrongKind
	case strings.IndexByte(raw, '\\') < 0 && utf8.ValidString(raw):
		return raw[1 : len(raw)-1], nil
	}
	var text string
	err = json.Unmarshal([]byte(raw), &text)
	return text, err
}

// end requires that nothing follows.
func (r *jsonReader) end() error {
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errWrongKind
	}
	return nil
}
