package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// output is how a command says on standard output what came of it. All else that it
// has to say goes to standard error.
type output struct {
	JSON bool `env:"JSON" help:"Print JSON."`
}

// print writes the result as JSON, an object, or else says it in words.
func (o output) print(w io.Writer, result any, words func(io.Writer) error) error {
	if o.JSON {
		return writeJSON(w, result)
	}
	return words(w)
}

// sentence is what a command says in words.
func sentence(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format, args...)
		return err
	}
}

// lines is what a command says in words, line by line.
func lines(all ...string) func(io.Writer) error {
	return sentence("%s\n", strings.Join(all, "\n"))
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
