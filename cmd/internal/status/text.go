package status

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// page writes a report for people, in tables that share nothing but the paper.
type page struct {
	*message.Printer
	strings.Builder
}

// table writes rows of cells, the first of which is the head.
func (p *page) table(rows [][]string) {
	table := tabwriter.NewWriter(&p.Builder, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	_ = table.Flush() // into memory
	_ = p.WriteByte('\n')
}

func (p *page) line(format string, args ...any) { _, _ = p.Fprintf(&p.Builder, format+"\n", args...) }

// number is a number that may be unknown.
func (p *page) number(n *int64) string {
	if n == nil {
		return "?"
	}
	return p.Sprintf("%d", *n)
}

// WriteText writes the report on one screen.
func (r *Report) WriteText(w io.Writer) error {
	p := &page{Printer: message.NewPrinter(language.English)}
	r.writeServers(p)
	r.writeTopics(p)
	r.writeGenerations(p)
	r.writePartitions(p)
	r.writeBoards(p)
	r.writeRest(p)
	r.writeProblems(p)
	_, err := io.WriteString(w, p.String())
	return err
}

func (r *Report) writeServers(p *page) {
	rows := [][]string{{"SERVER", "ADDRESS", "STATE"}}
	for _, s := range r.Servers {
		state := "reached"
		if s.Error != "" {
			state = "CANNOT BE REACHED"
		}
		rows = append(rows, []string{s.Name, strings.Join(s.Addresses, ","), state})
	}
	p.table(rows)
}

func (r *Report) writeTopics(p *page) {
	if len(r.Topics) == 0 {
		return
	}
	rows := [][]string{{"TOPIC", "PARTS", "REPLICAS", "RECORDS", "BEHIND", "CLEANUP", "KEPT", "STATE"}}
	for _, t := range r.Topics {
		if t.Missing {
			rows = append(rows, []string{t.Name, "-", "-", "-", "-", "-", "-", "MISSING"})
			continue
		}
		behind, state := "-", "right"
		if t.Behind != nil {
			behind = p.number(t.Behind)
		}
		if len(t.Faults) > 0 {
			state = "WRONG"
		}
		rows = append(rows, []string{
			t.Name, fmt.Sprint(t.Partitions), fmt.Sprint(t.Replicas), p.Sprintf("%d", t.Records), behind, cmp.Or(t.Cleanup(), "?"), t.kept(), state,
		})
	}
	p.table(rows)
}

// kept says how long the topic keeps its records.
func (t *Topic) kept() string {
	ms, known := t.RetentionMillis()
	switch {
	case !known:
		return "?"
	case !strings.Contains(t.Cleanup(), "delete"):
		return "by key"
	case ms < 0:
		return "for ever"
	default:
		return (time.Duration(ms) * time.Millisecond).String()
	}
}

func (r *Report) writeGenerations(p *page) {
	if len(r.Generations) == 0 {
		return
	}
	rows := [][]string{{"GENERATION", "READ", "SHARDS", "BOARDS", "BEHIND", "STATE"}}
	for i := range r.Generations {
		g := &r.Generations[i]
		read, state := "no", "complete"
		if g.Read {
			read = "yes"
		}
		switch {
		case g.Dropped:
			state = "NOT ALL FREED"
		case len(g.Holes) > 0:
			state = "HAS HOLES"
		case len(g.Incomplete) > 0:
			state = "being made"
		case g.Behind == nil:
			state = "?"
		case *g.Behind > 0:
			state = "behind"
		}
		rows = append(rows, []string{fmt.Sprint(g.Generation), read, fmt.Sprint(g.Shards), p.Sprintf("%d", g.Boards), p.number(g.Behind), state})
	}
	p.table(rows)
}

// partitionsShown is how many are shown: those that are furthest behind.
const partitionsShown = 16

func (r *Report) writePartitions(p *page) {
	if len(r.Partitions) == 0 {
		return
	}
	shown := r.Partitions
	if len(shown) > partitionsShown {
		shown = slices.SortedStableFunc(slices.Values(shown), func(a, b Partition) int { return cmp.Compare(lagOf(b), lagOf(a)) })[:partitionsShown]
	}
	rows := [][]string{{"PARTITION", "LOG START", "LOG END", "FENCES FROM", "TO", "LAG", "COMMITTED", "MEMBER"}}
	for i := range shown {
		x := &shown[i]
		rows = append(rows, []string{
			fmt.Sprint(x.Partition), p.number(x.LogStart), p.number(x.LogEnd), p.number(x.FenceLowest), p.number(x.FenceHighest),
			p.number(x.Lag), p.number(x.Committed), r.member(x.Member),
		})
	}
	p.table(rows)
	if more := len(r.Partitions) - len(shown); more > 0 {
		p.line("and %d partitions that are no further behind; --json has them\n", more)
	}
}

func lagOf(p Partition) int64 {
	if p.Lag == nil {
		return 0
	}
	return *p.Lag
}

// member is how a member of the group is known on the page.
func (r *Report) member(id string) string {
	if r.Group != nil {
		for i, m := range r.Group.Members {
			if m.ID == id {
				return fmt.Sprintf("#%d %s", i+1, m.Host)
			}
		}
		return "none"
	}
	return "?"
}

func (r *Report) writeBoards(p *page) {
	if r.Boards == nil || len(r.Boards.Largest) == 0 {
		return
	}
	rows := [][]string{{"LARGEST BOARDS", "ENTRIES", "LAST SYNC"}}
	for _, b := range r.Boards.Largest {
		rows = append(rows, []string{b.Board, p.Sprintf("%d", b.Entries), r.ago(r.Time.Sub(b.LastSyncTime))})
	}
	p.table(rows)
}

// ago says how long something is ago.
func (r *Report) ago(age time.Duration) string {
	switch {
	case age < time.Second:
		return "now"
	case age < time.Minute:
		return age.Round(100*time.Millisecond).String() + " ago"
	default:
		return age.Round(time.Second).String() + " ago"
	}
}

func (r *Report) writeRest(p *page) {
	unknown := func(known bool, format string, args ...any) string {
		if !known {
			return "?"
		}
		return p.Sprintf(format, args...)
	}
	rows := [][]string{{"group", r.describeGroup(p)}}
	if r.Boards == nil {
		rows = append(rows, []string{"boards", "?"})
	} else {
		rows = append(rows, []string{"boards", p.Sprintf("%d with %d entries, %d outdated", r.Boards.Count, r.Boards.Entries, r.Boards.Outdated)})
	}
	rows = append(rows,
		[]string{"newest record", r.describeMoment(r.Freshness.NewestRecord)},
		[]string{"last sync", r.describeMoment(r.Freshness.LastSync)},
		[]string{"dead letters", r.describeLetters(p)})
	if c := r.Catalog; c == nil {
		rows = append(rows, []string{"catalog", unknown(false, "")})
	} else {
		rows = append(rows, []string{"catalog", p.Sprintf("organisations: %d, target groups: %d, as %s has it", c.Orgs, c.TargetGroups, c.Source)})
	}
	p.table(rows)
}

func (r *Report) describeGroup(p *page) string {
	if r.Group == nil {
		return "?"
	}
	return p.Sprintf("%s: %s, members: %d", r.Group.Name, r.Group.State, len(r.Group.Members))
}

func (r *Report) describeMoment(m *Moment) string {
	if m == nil {
		return "?"
	}
	return fmt.Sprintf("%s, %s", m.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.ago(time.Duration(m.AgeSeconds*float64(time.Second))))
}

func (r *Report) describeLetters(p *page) string {
	switch d := r.DeadLetters; {
	case d == nil:
		return "?"
	case d.Unsettled == nil:
		return p.Sprintf("more than %d", mostLetters)
	case *d.Unsettled == 0:
		return "none unsettled"
	default:
		return p.Sprintf("%d unsettled: %s", *d.Unsettled, d.reasons())
	}
}

func (r *Report) writeProblems(p *page) {
	if len(r.Problems) == 0 {
		p.line("All is well.")
		return
	}
	for _, problem := range r.Problems {
		p.line("WRONG: %s", problem.Problem)
		p.line("       %s (%s)", problem.Advice, problem.Runbook)
	}
}
