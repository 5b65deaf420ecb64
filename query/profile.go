package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var errNotProfile = errors.New("not a profile")

// profile takes the values of the fields from a record of the profiles. It accepts
// what [leaderboard.ParseProfile] does and finds in it the same, without making a
// map of it all.
func (f *fields) profile(record string) ([]string, error) {
	r := recordReaders.Get().(*recordReader)
	defer recordReaders.Put(r)
	r.reset(record)
	values := slices.Clone(f.missing)
	var org, user int64
	err := r.object(func(name string) (err error) {
		switch {
		case strings.EqualFold(name, "orgId"):
			org, err = r.number(org)
		case strings.EqualFold(name, "userId"):
			user, err = r.number(user)
		case !strings.EqualFold(name, "attributes"):
			_, err = r.value()
		case r.decoder.PeekKind() == 'n':
			copy(values, f.missing)
			_, err = r.value()
		default:
			err = r.object(func(name string) error {
				value, err := r.text()
				if i := slices.Index(f.names, name); i >= 0 {
					values[i] = value
				}
				return err
			})
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err == nil && (org <= 0 || user <= 0) {
		err = errNotProfile
	}
	return values, err
}

// recordReader reads a record token by token. What it returns is part of the
// record where it can be.
type recordReader struct {
	record  string
	decoder *jsontext.Decoder
}

var recordReaders = sync.Pool{New: func() any { return &recordReader{decoder: new(jsontext.Decoder)} }}

func (r *recordReader) reset(record string) {
	r.record = record
	r.decoder.Reset(bytes.NewBufferString(record), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// object reads an object; member is called behind every name and reads the value.
func (r *recordReader) object(member func(name string) error) error {
	if start, err := r.decoder.ReadToken(); err != nil || start.Kind() != '{' {
		return errNotProfile
	}
	for r.decoder.PeekKind() != '}' {
		name, err := r.text()
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

// value reads any value and returns its JSON.
func (r *recordReader) value() (string, error) {
	raw, err := r.decoder.ReadValue()
	end := int(r.decoder.InputOffset())
	return r.record[end-len(raw) : end], err
}

// number reads a whole number; null leaves it as it was.
func (r *recordReader) number(was int64) (int64, error) {
	raw, err := r.value()
	if err != nil || raw == "null" {
		return was, err
	}
	return strconv.ParseInt(raw, 10, 64)
}

// text reads a string; null is the empty one.
func (r *recordReader) text() (string, error) {
	raw, err := r.value()
	switch {
	case err != nil || raw == "null":
		return "", err
	case raw[0] != '"':
		return "", errNotProfile
	case strings.IndexByte(raw, '\\') < 0 && utf8.ValidString(raw):
		return raw[1 : len(raw)-1], nil
	}
	var text string
	err = json.Unmarshal([]byte(raw), &text)
	return text, err
}

func (r *recordReader) end() error {
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errNotProfile
	}
	return nil
}
