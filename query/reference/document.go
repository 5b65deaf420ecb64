package reference

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"
)

// description is what the page shows of an OpenAPI document.
type description struct {
	Info    struct{ Title, Summary, Description string }
	Servers []struct{ URL, Description string }
	Tags    []struct{ Name string }
	Paths   ordered[struct {
		Parameters []parameter
		Get, Post  *operation
	}]
	Components struct {
		SecuritySchemes ordered[struct{ Scheme, Name, Description string }] `yaml:"securitySchemes"`
		Schemas         ordered[schema]
	}
}

type operation struct {
	// Method and Path are where the operation stands in the document.
	Method, Path         string
	ID                   string `yaml:"operationId"`
	Tags                 []string
	Summary, Description string
	// Security is nil where the document's own holds.
	Security    *[]any
	Parameters  []parameter
	RequestBody struct {
		Description string
		Content     ordered[media]
	} `yaml:"requestBody"`
	Responses ordered[struct {
		Description string
		Headers     ordered[struct{ Description string }]
		Content     ordered[media]
	}]
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                schema
	Example               any
}

type media struct {
	Schema   schema
	Examples yaml.MapSlice
}

// ordered is a YAML mapping from names in the order in which it is written.
type ordered[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

func (o *ordered[T]) UnmarshalYAML(unmarshal func(any) error) error {
	var names yaml.MapSlice
	var values map[string]T
	if err := unmarshal(&names); err != nil {
		return err
	}
	if err := unmarshal(&values); err != nil {
		return err
	}
	for _, item := range names {
		name := fmt.Sprint(item.Key)
		*o = append(*o, named[T]{name, values[name]})
	}
	return nil
}

// read puts what is referred to in the places of the references first.
func read(document []byte) (*description, error) {
	var root yaml.MapSlice
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	resolved, err := resolve(root, root)
	if err != nil {
		return nil, err
	}
	whole, err := yaml.Marshal(resolved)
	if err != nil {
		return nil, err
	}
	d := &description{}
	if err := yaml.Unmarshal(whole, d); err != nil {
		return nil, err
	}
	return d, nil
}

// resolve copies a part of the document without references; what stands beside one
// is left out.
func resolve(root yaml.MapSlice, part any) (any, error) {
	switch part := part.(type) {
	case yaml.MapSlice:
		if path, ok := get(part, "$ref").(string); ok {
			var found any = root
			for name := range strings.SplitSeq(strings.TrimPrefix(path, "#/"), "/") {
				within, _ := found.(yaml.MapSlice)
				if found = get(within, name); found == nil {
					return nil, fmt.Errorf("the document has nothing at %s", path)
				}
			}
			return resolve(root, found)
		}
		copied := slices.Clone(part)
		for i := range copied {
			var err error
			if copied[i].Value, err = resolve(root, part[i].Value); err != nil {
				return nil, err
			}
		}
		return copied, nil
	case []any:
		copied := slices.Clone(part)
		for i := range copied {
			var err error
			if copied[i], err = resolve(root, part[i]); err != nil {
				return nil, err
			}
		}
		return copied, nil
	}
	return part, nil
}

// get is the value of that name, nil when there is none.
func get(mapping yaml.MapSlice, name string) any {
	for _, item := range mapping {
		if item.Key == name {
			return item.Value
		}
	}
	return nil
}

// tagged is a group of operations.
type tagged struct {
	Name       string
	Operations []*operation
}

// Groups are the operations by tag, in the document's order.
func (d *description) Groups() []tagged {
	groups := make([]tagged, len(d.Tags))
	for i, tag := range d.Tags {
		groups[i].Name = tag.Name
		for _, path := range d.Paths {
			groups[i].add("GET", path.Name, path.Value.Parameters, path.Value.Get)
			groups[i].add("POST", path.Name, path.Value.Parameters, path.Value.Post)
		}
	}
	return groups
}

// add adds the operation, nil for none, if it has the tag. Its path may have
// parameters for all its operations.
func (g *tagged) add(method, path string, parameters []parameter, o *operation) {
	if o == nil || !slices.Contains(o.Tags, g.Name) {
		return
	}
	placed := *o
	placed.Method, placed.Path, placed.Parameters = method, path, slices.Concat(parameters, o.Parameters)
	g.Operations = append(g.Operations, &placed)
}

// Failure is the answer to whatever has gone wrong.
func (d *description) Failure() *schema {
	for _, s := range d.Components.Schemas {
		if s.Name == "Failure" {
			return &s.Value
		}
	}
	return nil
}
