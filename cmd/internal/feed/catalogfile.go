package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"leaderboard"
)

// CatalogFile is a catalog as somebody wrote it. A value of the wrong type counts as
// absent.
type CatalogFile struct {
	leaderboard.CatalogDocument
	// slips are values of the wrong type and fields that do not exist; they are
	// refused together with what is wrong with the catalog itself.
	slips []error
}

// ReadCatalogFile reads a catalog file in YAML or JSON.
func ReadCatalogFile(path string) (CatalogFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return CatalogFile{}, fmt.Errorf("cannot read the catalog file: %w", err)
	}
	file, err := parseCatalog(data)
	if err != nil {
		return CatalogFile{}, fmt.Errorf("the catalog file %s is not valid: %w", path, err)
	}
	return file, nil
}

func parseCatalog(data []byte) (CatalogFile, error) {
	var file CatalogFile
	asJSON, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return file, err
	}
	var found inspection
	sound, isSound := found.inspect("", asJSON, reflect.TypeOf(file.CatalogDocument))
	if !isSound {
		return file, errors.Join(found.wrong...)
	}
	file.slips = slices.Concat(found.wrong, found.unknown)
	if err := json.Unmarshal(sound, &file.CatalogDocument); err != nil {
		return file, err
	}
	if len(file.Orgs) == 0 && len(file.TargetGroups) == 0 && len(file.slips) == 0 {
		return file, errors.New("it has neither orgs nor targetGroups")
	}
	return file, nil
}

// inspection holds a JSON value against a Go type and finds all that differs.
// The types of the catalog read themselves leniently, as records of the topic
// need it, and encoding/json ends at the first mistake.
type inspection struct {
	wrong   []error
	unknown []error
}

// inspect gives the value without what is of the wrong type in it, or false when the
// value itself is.
func (f *inspection) inspect(path string, raw []byte, t reflect.Type) (sound json.RawMessage, isSound bool) {
	switch {
	case t.Kind() == reflect.Slice:
		return f.inspectList(path, raw, t.Elem())
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		return f.inspectObject(path, raw, t)
	case json.Unmarshal(raw, reflect.New(t).Interface()) != nil:
		return f.refuse(path, describe(t))
	default:
		return raw, true
	}
}

func (f *inspection) inspectList(path string, raw []byte, t reflect.Type) (json.RawMessage, bool) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return f.refuse(path, "a list")
	}
	sound := []json.RawMessage{}
	for i, element := range elements {
		if element, isSound := f.inspect(fmt.Sprintf("%s[%d]", path, i), element, t); isSound {
			sound = append(sound, element)
		}
	}
	return encoded(sound), true
}

func (f *inspection) inspectObject(path string, raw []byte, t reflect.Type) (json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return f.refuse(path, "an object")
	}
	known, sound := fieldTypes(t), map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		place := strings.TrimPrefix(path+"."+name, ".")
		if known[name] == nil {
			f.unknown = append(f.unknown, fmt.Errorf("%s: unknown field", place))
			continue
		}
		if member, isSound := f.inspect(place, members[name], known[name]); isSound {
			sound[name] = member
		}
	}
	if _, isPeriod := known["periodId"]; isPeriod && (lost(members, sound, "start") || lost(members, sound, "end")) {
		return nil, false // what it overlaps cannot be told
	}
	return encoded(sound), true
}

// lost tells whether a member is there and of the wrong type.
func lost(members, sound map[string]json.RawMessage, name string) bool {
	return members[name] != nil && sound[name] == nil
}

func (f *inspection) refuse(path, want string) (json.RawMessage, bool) {
	if path == "" {
		path = "the file"
	}
	f.wrong = append(f.wrong, fmt.Errorf("%s: is not %s", path, want))
	return nil, false
}

// encoded is a value made of valid JSON as JSON.
func encoded(v any) json.RawMessage {
	text, _ := json.Marshal(v) // never fails
	return text
}

// fieldTypes are the types of a struct's fields by their names in JSON.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			types[name] = field.Type
		}
	}
	return types
}

// describe says what a value of the type looks like in a file.
func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	default:
		return "a time such as 2022-11-01T00:00:00+05:30"
	}
}
