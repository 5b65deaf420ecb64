package bench

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// print shows the table on a terminal.
func (r *results) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for _, row := range r.rows {
		fmt.Fprintln(table, strings.Join(row.cells(), "\t"))
	}
	return table.Flush()
}

const reportBegin, reportEnd = "<!-- measured by make bench -->\n", "<!-- end -->"

// writeInto puts what was measured between the two marks of a document, and the
// pictures into a directory of the document's name beside it. The rest of the
// document stays.
func (r *results) writeInto(document string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), reportBegin)
	_, after, ends := strings.Cut(rest, reportEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the results: no %q with %q after it", document, reportBegin, reportEnd)
	}
	directory := strings.TrimSuffix(document, filepath.Ext(document))
	if err := r.save(directory); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString(before + reportBegin + "\n")
	r.environment.describe(&b)
	r.tabulate(&b)
	for _, p := range pictures {
		fmt.Fprintf(&b, "\n![%s](%s/%s)\n", p.title, filepath.Base(directory), p.file)
	}
	b.WriteString("\n" + reportEnd + after)
	return os.WriteFile(document, []byte(b.String()), 0o600)
}

// describe says where, with what and how it was measured.
func (e environment) describe(w io.Writer) {
	fmt.Fprintf(w, "| | |\n|---|---|\n")
	for _, line := range [][2]string{
		{"date", time.Now().UTC().Format(time.DateOnly)},
		{"command", "`" + e.command + "`, which took " + e.took.Round(time.Second).String()},
		{"runs", fmt.Sprintf("%d of each contender, by turns", e.form.rounds)},
		{"machine", e.machine},
		{"stolen", fmt.Sprintf("%.1f %% of the cores' time, which the host gave to other machines", 100*e.stolen)},
		{"versions", e.versions},
	} {
		fmt.Fprintf(w, "| %s | %s |\n", line[0], line[1])
	}
}

// sections are the tables of the document, by the first part of a measurement's name.
var sections = []struct{ name, title string }{
	{"apply", "Applied from Kafka to Redis"},
	{"freshness", "From acknowledged to visible over HTTP"},
	{"queries", "Answers over HTTP, 64 connections, a board of 1M users"},
	{"growth", "Growth"},
	{"start", "Started with a backlog waiting"},
}

func (r *results) tabulate(w io.Writer) {
	for _, s := range sections {
		fmt.Fprintf(w, "\n### %s\n\n| %s |\n|%s\n", s.title, strings.Join(header, " | "), strings.Repeat("---|", len(header)))
		for _, row := range r.rows {
			if name, _, _ := strings.Cut(row.measurement, "/"); name == s.name {
				fmt.Fprintf(w, "| %s |\n", strings.Join(row.cells(), " | "))
			}
		}
	}
}
