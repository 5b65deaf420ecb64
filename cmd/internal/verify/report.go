package verify

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Report is what verifying has shown.
type Report struct {
	Generation int `json:"generation"`
	// Boards, Entries and Records are how many boards were compared, and what
	// the log comes to on them.
	Boards  int `json:"boards"`
	Entries int `json:"entries"`
	Records int `json:"records"`
	// SwitchedOff are boards that the catalog has switched off.
	SwitchedOff []string `json:"switchedOff,omitempty"`
	// Incomplete are the partitions that are being read again from their start.
	Incomplete []int `json:"incomplete,omitempty"`
	// Unproved says what the log cannot prove any more.
	Unproved    []string           `json:"unproved,omitempty"`
	Differences []*BoardDifference `json:"differences,omitempty"`
}

// Err says why the boards are not proved to equal the log; nil when they are, or
// were mended.
func (r *Report) Err() error {
	var failures []error
	for _, sentence := range r.Unproved {
		failures = append(failures, errors.New(sentence))
	}
	differing := 0
	for _, d := range r.Differences {
		if !d.Repaired {
			differing++
		}
	}
	if differing > 0 {
		failures = append(failures, fmt.Errorf("%d of %d boards differ from the log; leaderboard verify --repair mends them", differing, r.Boards))
	}
	return errors.Join(failures...)
}

// WriteText prints the report for people, with no more users of a board than most.
func (r *Report) WriteText(w io.Writer, most int) error {
	p := message.NewPrinter(language.English)
	var text strings.Builder
	for _, partition := range r.Incomplete {
		_, _ = p.Fprintf(&text, "partition %d is being read again from its start: the boards were compared as far as that has come\n", partition)
	}
	if len(r.SwitchedOff) > 0 {
		_, _ = p.Fprintf(&text, "switched off in the catalog and not compared: %s\n", strings.Join(r.SwitchedOff, ", "))
	}
	for _, d := range r.Differences {
		d.writeText(p, &text, most)
	}
	agree := r.Boards - len(r.Differences)
	if agree == r.Boards {
		_, _ = p.Fprintf(&text, "%s, %s and %s agree\n", count(p, r.Boards, "board", "boards"), count(p, r.Entries, "entry", "entries"), count(p, r.Records, "record", "records"))
	} else {
		_, _ = p.Fprintf(&text, "%s compared, %d agree\n", count(p, r.Boards, "board", "boards"), agree)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func count(p *message.Printer, n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return p.Sprintf("%d %s", n, many)
}

func (d *BoardDifference) writeText(p *message.Printer, w io.Writer, most int) {
	_, _ = fmt.Fprintf(w, "board %s differs\n", d.Board)
	line := func(format string, args ...any) { _, _ = p.Fprintf(w, "  "+format+"\n", args...) }
	if d.NotInCatalog {
		line("the catalog does not have it")
	}
	if d.Outdated != "" {
		line("%s", d.Outdated)
	}
	switch {
	case d.Synced == d.LogSynced:
	case d.Synced == "":
		line("it is not registered; the log has %s of it", count(p, d.Records, "record", "records"))
	case d.LogSynced == "":
		line("it is registered; the log has no record of it")
	default:
		line("lastSyncTime: the log says %s, Redis holds %s", d.LogSynced, d.Synced)
	}
	if d.Malformed > 0 {
		line("%s malformed or of a user who has another one", count(p, d.Malformed, "member or time is", "members or times are"))
	}
	for _, u := range d.Users[:min(most, len(d.Users))] {
		line("%s", u.text())
	}
	if more := len(d.Users) - most; more > 0 {
		line("and %s; --json prints them all", count(p, more, "user more", "users more"))
	}
	if d.Repaired {
		line("repaired: it holds what the log says")
	}
}

func (u *UserDifference) text() string {
	said := fmt.Sprintf("user %d: the log says %s, %s", u.UserID, u.Log.text(), u.held())
	if len(u.Doubts) > 0 {
		said += " (" + strings.Join(u.Doubts, "; ") + ")"
	}
	return said
}

// held says what Redis holds of the user.
func (u *UserDifference) held() string {
	switch {
	case u.Member == nil && u.UsersTime == "", u.Member != nil && u.Member.LastActivity == u.UsersTime:
		return "Redis holds " + u.Member.text()
	case u.UsersTime == "":
		return fmt.Sprintf("the sorted set holds %s, the users hash nothing", u.Member.text())
	default:
		return fmt.Sprintf("the sorted set holds %s, the users hash the time %s", u.Member.text(), u.UsersTime)
	}
}

func (s *Standing) text() string {
	if s == nil {
		return "nothing"
	}
	return s.Value + " at " + s.LastActivity
}
