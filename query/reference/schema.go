package reference

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v2"
)

type schema struct {
	// Type is a name or a list of names.
	Type                    any
	Description             string
	Required                []string
	Properties              ordered[schema]
	Items                   *schema
	OneOf                   []schema `yaml:"oneOf"`
	Enum                    []any
	Const, Default, Minimum any
}

// field is one of an object or of what lies in it: data.rankings[].rank.
type field struct {
	Name, Kind, Description string
	Required                bool
}

// Fields are those of the object and of all in it. Of several forms it is the first.
func (s *schema) Fields() []field { return s.fields("") }

func (s *schema) fields(name string) []field {
	var all []field
	prefix := name
	if name != "" {
		prefix += "."
	}
	for _, p := range s.Properties {
		all = append(all, field{prefix + p.Name, p.Value.Kind(), p.Value.Description, slices.Contains(s.Required, p.Name)})
		all = append(all, p.Value.fields(prefix+p.Name)...)
	}
	if s.Items != nil {
		all = append(all, s.Items.fields(name+"[]")...)
	}
	if len(s.OneOf) > 0 {
		all = append(all, s.OneOf[0].fields(name)...)
	}
	return all
}

// Kind says in a few words what a value may be.
func (s *schema) Kind() string {
	if s.Const != nil {
		return fmt.Sprint(s.Const)
	}
	kind := fmt.Sprint(s.Type)
	if several, ok := s.Type.([]any); ok {
		kind = join(several, " or ")
	}
	if s.Minimum != nil && kind == "integer" {
		kind += fmt.Sprintf(" from %v", s.Minimum)
	}
	if given := slices.DeleteFunc(slices.Clone(s.Enum), func(v any) bool { return v == "" }); len(given) > 0 {
		kind += ": " + join(given, ", ")
	}
	if s.Default != nil {
		kind += fmt.Sprintf("; %v without it", s.Default)
	}
	return kind
}

func join(values []any, separator string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, separator)
}

// indented writes the value of an example as JSON.
func indented(example yaml.MapSlice) (string, error) {
	var text bytes.Buffer
	err := writeJSON(jsontext.NewEncoder(&text, jsontext.WithIndent("  ")), get(example, "value"))
	return text.String(), err
}

func writeJSON(to *jsontext.Encoder, value any) error {
	switch value := value.(type) {
	case yaml.MapSlice:
		if err := to.WriteToken(jsontext.BeginObject); err != nil {
			return err
		}
		for _, item := range value {
			if err := to.WriteToken(jsontext.String(fmt.Sprint(item.Key))); err != nil {
				return err
			}
			if err := writeJSON(to, item.Value); err != nil {
				return err
			}
		}
		return to.WriteToken(jsontext.EndObject)
	case []any:
		if err := to.WriteToken(jsontext.BeginArray); err != nil {
			return err
		}
		for _, element := range value {
			if err := writeJSON(to, element); err != nil {
				return err
			}
		}
		return to.WriteToken(jsontext.EndArray)
	case string:
		return to.WriteToken(jsontext.String(value))
	case nil:
		return to.WriteToken(jsontext.Null)
	}
	return to.WriteValue(jsontext.Value(fmt.Sprint(value))) // a number or a truth
}
