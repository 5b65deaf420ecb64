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

// CatalogFile is a catalog as somebody wrote it.
type CatalogFile struct {
	leaderboard.CatalogDocument
	// unknown names the fields that do not exist; they are refused together with
	// what is wrong with the catalog itself.
	unknown []error
}

// ReadCatalogFile reads a catalog file in YAML or JSON. The error names every
// value of the wrong type and every unknown field.
func ReadCatalogFile(path string) (CatalogFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return CatalogFile{}, fmt.Errorf("cannot read the catalog file: %w", err)
	}
	file, err := parseCatalog(data)
	if err != nil {
		return CatalogFile{}, fmt.Errorf("the catalog file %s is not valid:\n%w", path, err)
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
	found.inspect("", asJSON, reflect.TypeOf(file.CatalogDocument))
	if len(found.wrong) > 0 {
		return file, errors.Join(append(found.wrong, found.unknown...)...)
	}
	file.unknown = found.unknown
	if err := json.Unmarshal(asJSON, &file.CatalogDocument); err != nil {
		return file, err
	}
	if len(file.Orgs) == 0 && len(file.TargetGroups) == 0 && len(file.unknown) == 0 {
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

func (f *inspection) inspect(path string, raw []byte, t reflect.Type) {
	switch {
	case t.Kind() == reflect.Slice:
		var elements []json.RawMessage
		if json.Unmarshal(raw, &elements) != nil {
			f.refuse(path, "a list")
		}
		for i, element := range elements {
			f.inspect(fmt.Sprintf("%s[%d]", path, i), element, t.Elem())
		}
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			f.refuse(path, "an object")
		}
		known := fieldTypes(t)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			place := strings.TrimPrefix(path+"."+name, ".")
			if known[name] == nil {
				f.unknown = append(f.unknown, fmt.Errorf("%s: unknown field", place))
				continue
			}
			f.inspect(place, members[name], known[name])
		}
	default:
		if json.Unmarshal(raw, reflect.New(t).Interface()) != nil {
			f.refuse(path, describe(t))
		}
	}
}

func (f *inspection) refuse(path, want string) {
	if path == "" {
		path = "the file"
	}
	f.wrong = append(f.wrong, fmt.Errorf("%s: is not %s", path, want))
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
