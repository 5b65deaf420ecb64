package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"leaderboard/cmd/internal/deadletters"
	"leaderboard/consumer"
)

// letterLine is a dead letter without the record: nothing in it is personal.
type letterLine struct {
	Letter string          `json:"letter"`
	Time   time.Time       `json:"time"`
	Reason consumer.Reason `json:"reason"`
	Detail string          `json:"detail"`
	Record string          `json:"record"`
	Origin string          `json:"origin"`
	Board  string          `json:"board"`
}

func newLetterLine(l *deadletters.Letter) letterLine {
	return letterLine{l.ID(), l.Time, l.Reason, l.Detail, l.Record.String(), l.Origin, l.Board}
}

// letterTime is RFC 3339 with milliseconds.
const letterTime = "2006-01-02T15:04:05.000Z07:00"

// letterList prints dead letters, one a line, and how many there are by reason.
type letterList struct {
	lines []letterLine
	// erased are those whose records were to be replayed and were not.
	erased []letterLine
}

func newLetterList() *letterList { return &letterList{lines: []letterLine{}} }

func (l *letterList) add(letter *deadletters.Letter) {
	l.lines = append(l.lines, newLetterLine(letter))
}

func (l *letterList) addErased(letter *deadletters.Letter) {
	l.erased = append(l.erased, newLetterLine(letter))
}

func (l *letterList) print(w io.Writer, as output, noun string) error {
	list := map[string]any{"deadLetters": l.lines, "byReason": countByReason(l.lines)}
	if len(l.erased) > 0 {
		list["erased"] = l.erased
	}
	return as.print(w, list, func(w io.Writer) error {
		err := writeLetters(w, l.lines, noun)
		if err == nil && len(l.erased) > 0 {
			err = writeLetters(w, l.erased, "dead letters erased, their records not published as the users were erased since")
		}
		return err
	})
}

func countByReason(lines []letterLine) map[consumer.Reason]int {
	counts := map[consumer.Reason]int{}
	for i := range lines {
		counts[lines[i].Reason]++
	}
	return counts
}

// writeLetters writes a table of dead letters, and how many there are.
func writeLetters(out io.Writer, lines []letterLine, noun string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(lines) > 0 {
		_, _ = fmt.Fprintln(table, "LETTER\tTIME\tREASON\tBOARD\tRECORD\tORIGIN\tDETAIL")
	}
	for _, line := range lines {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			line.Letter, line.Time.Format(letterTime), line.Reason, line.Board, line.Record, line.Origin, line.Detail)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	byReason := countByReason(lines)
	var counts []string
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		counts = append(counts, fmt.Sprintf("%d %s", byReason[reason], reason))
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintf(out, "0 %s\n", noun)
		return err
	}
	_, err := fmt.Fprintf(out, "%d %s: %s\n", len(lines), noun, strings.Join(counts, ", "))
	return err
}

// checkNamed finds the letters that were asked for by name and are not on the list.
func (l *letterList) checkNamed(ids []string) error {
	settled := slices.Concat(l.lines, l.erased)
	missing := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(settled, func(line letterLine) bool { return line.Letter == id })
	})
	if len(missing) > 0 {
		return fmt.Errorf("not to be settled: %s; each is settled already, not there, or left out by a filter, see deadletters show", strings.Join(missing, ", "))
	}
	return nil
}

// shownLetter is a dead letter with the record as it came.
type shownLetter struct {
	letterLine
	Settled *deadletters.Settlement `json:"settled"`
	Key     string                  `json:"key"`
	Headers []letterHeader          `json:"headers"`
	Value   string                  `json:"value"`
}

type letterHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func newShownLetter(l *deadletters.Letter, settled *deadletters.Settlement) shownLetter {
	headers := make([]letterHeader, len(l.Headers))
	for i, h := range l.Headers {
		headers[i] = letterHeader{h.Key, readable(h.Value)}
	}
	return shownLetter{newLetterLine(l), settled, readable(l.Key), headers, readable(l.Value)}
}

func (l *shownLetter) writeText(w io.Writer) error {
	state := "no"
	if l.Settled != nil {
		state = string(l.Settled.As) + " " + l.Settled.Time.Format(letterTime)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"letter", l.Letter},
		{"time", l.Time.Format(letterTime)},
		{"reason", string(l.Reason)},
		{"detail", l.Detail},
		{"record", l.Record},
		{"origin", l.Origin},
		{"board", l.Board},
		{"settled", state},
		{"key", l.Key},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	for _, h := range l.Headers {
		_, _ = fmt.Fprintf(table, "header\t%s: %s\n", h.Key, h.Value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", l.Value)
	return err
}

// readable is text as it is, and anything else quoted, so that a record cannot
// steer the terminal.
func readable(b []byte) string {
	isControl := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if utf8.Valid(b) && !strings.ContainsFunc(string(b), isControl) {
		return string(b)
	}
	return fmt.Sprintf("%q", b)
}
