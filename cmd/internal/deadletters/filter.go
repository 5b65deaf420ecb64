package deadletters

import (
	"slices"
	"strings"
	"time"

	"leaderboard/consumer"
)

// Filter chooses dead letters; what it leaves empty chooses all.
type Filter struct {
	// IDs are those of [Letter.ID].
	IDs     []string
	Reasons []consumer.Reason
	// Since and Until bound the time of the dead letter, Until exclusively.
	Since, Until time.Time
	// Board is org:group:rule:period, or the beginning of it.
	Board string
	// Topic is the one that the record came from.
	Topic string
}

// matches tells whether the filter chooses the letter.
func (f *Filter) matches(l *Letter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID())) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, l.Reason)) &&
		(f.Since.IsZero() || !l.Time.Before(f.Since)) &&
		(f.Until.IsZero() || l.Time.Before(f.Until)) &&
		(f.Board == "" || strings.HasPrefix(l.Board+":", f.Board+":")) &&
		(f.Topic == "" || f.Topic == l.Record.Topic)
}
