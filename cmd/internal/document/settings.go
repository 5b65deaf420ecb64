// Package document keeps docs/configuration.md equal to the flags of the programs.
// It is for their tests.
package document

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"leaderboard/cmd/internal/daemon"
)

// kafka and redis are settings that several commands have in common. Each has a part
// of the document to itself, to which the commands point.
type (
	kafka struct {
		daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	}
	redis struct {
		daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	}
)

// describer writes what commands take.
type describer struct {
	// elsewhere are the flags that another part of the document describes.
	elsewhere map[string]*kong.Flag
	text      strings.Builder
}

// Settings holds the part of docs/configuration.md that is about a program against
// the program's flags and commands. UPDATE=1 writes it.
func Settings(t *testing.T, program any, name string) {
	t.Helper()
	d := describer{elsewhere: map[string]*kong.Flag{}}
	for _, common := range []any{new(kafka), new(redis)} {
		for _, flag := range model(t, common, name).Flags {
			d.elsewhere[flag.Name] = flag
		}
	}
	d.hold(t, program, name)
}

func (d *describer) hold(t *testing.T, program any, name string) {
	t.Helper()
	m := model(t, program, name)
	if len(m.Children) == 0 {
		d.describe(m.Node)
	}
	for _, command := range m.Leaves(true) {
		fmt.Fprintf(&d.text, "### %s\n\n", command.FullPath())
		d.describe(command)
	}
	hold(t, name, d.text.String())
}

func model(t *testing.T, program any, name string) *kong.Application {
	t.Helper()
	m, err := daemon.Model(program, name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (d *describer) describe(command *kong.Node) {
	for _, paragraph := range []string{command.Help, command.Detail} {
		if command.Type == kong.CommandNode && paragraph != "" {
			fmt.Fprintf(&d.text, "%s\n\n", escape(paragraph))
		}
	}
	var own []*kong.Flag
	var besides []string
	for _, flag := range command.Flags {
		group, _, _ := strings.Cut(flag.Name, "-")
		switch common := d.elsewhere[flag.Name]; {
		case flag.Name == "help" || flag.Name == "version":
		case common == nil || !same(common, flag):
			own = append(own, flag)
		case len(besides) == 0 || besides[len(besides)-1] != link(group):
			besides = append(besides, link(group))
		}
	}
	d.table(command.Positional, own)
	if len(besides) > 0 {
		fmt.Fprintf(&d.text, "Besides: the settings of %s.\n\n", strings.Join(besides, " and "))
	}
}

// same tells whether one description does for two flags.
func same(a, b *kong.Flag) bool {
	return a.Help == b.Help && a.Default == b.Default && strings.Join(a.Envs, " ") == strings.Join(b.Envs, " ")
}

func link(group string) string {
	return fmt.Sprintf("[%s](#%s)", strings.ToUpper(group[:1])+group[1:], group)
}

func (d *describer) table(arguments []*kong.Positional, flags []*kong.Flag) {
	if len(arguments)+len(flags) == 0 {
		return
	}
	d.text.WriteString("| flag | variable | default | meaning |\n|---|---|---|---|\n")
	for _, a := range arguments {
		fmt.Fprintf(&d.text, "| `%s` | | | %s |\n", cmp.Or(a.Tag.PlaceHolder, strings.ToUpper(a.Name)), escape(a.Help))
	}
	for _, f := range flags {
		name := "--" + f.Name
		if f.Short != 0 {
			name = fmt.Sprintf("-%c, %s", f.Short, name)
		}
		if !f.IsBool() {
			name += " " + f.PlaceHolder
		}
		meaning := strings.ReplaceAll(f.Help, " ("+f.Default+")", "")
		fmt.Fprintf(&d.text, "| `%s` | %s | %s | %s |\n", name, code(f.Envs...), code(f.Default), escape(meaning))
	}
	d.text.WriteString("\n")
}

// code sets words as code; nothing stays nothing.
func code(words ...string) string {
	var set []string
	for _, word := range words {
		if word != "" {
			set = append(set, "`"+word+"`")
		}
	}
	return strings.Join(set, ", ")
}

// escape keeps text from being taken for a column or an element.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
}

// hold compares the part of the document between two marks with what it has to be.
func hold(t *testing.T, part, want string) {
	t.Helper()
	path, err := find(filepath.Join("docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- settings of "+part+" -->\n", "<!-- end of "+part+" -->\n"
	before, rest, begun := strings.Cut(string(text), begin)
	present, after, ended := strings.Cut(rest, end)
	switch want = "\n" + want; {
	case !begun || !ended:
		t.Fatalf("%s has no place for the settings of %s: two lines %s%s", path, part, begin, end)
	case present == want:
	case os.Getenv("UPDATE") == "1":
		//nolint:gosec // the path is that of the repository's own document
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not up to date with the settings of %s: make docs", path, part)
	}
}

// find looks for a file of the repository in the directories above.
func find(name string) (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
	}
	return "", errors.Join(err, fmt.Errorf("there is no %s above this directory", name))
}
