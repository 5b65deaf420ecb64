package projector

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"leaderboard"
)

// A writer that has met another one tells it what its transactions change, in the
// shard's journal, so that neither has to read again all that it remembers whenever
// the other one has written.

const (
	// journalTime is how long a writer keeps the journal after it has met another
	// writer, and how long the journal stays after the last transaction.
	journalTime = time.Minute
	// journalLength is how many transactions the journal tells of, some 20 KB each:
	// more than one writer has in a row before another one takes its turn.
	journalLength = 64
)

var errUnreadable = errors.New("the journal cannot be read")

// isShared tells whether the shard had another writer lately.
func (s *shard) isShared() bool { return time.Now().Before(s.sharedUntil) }

// appendJournal appends what a cut makes of entries and boards.
func (c *cut) appendJournal(journal []byte) []byte {
	for _, ch := range c.changes {
		b, order := ch.board, leaderboard.Order("")
		if b.begun {
			order = b.order
		}
		journal = appendText(journal, b.name.String())
		journal = appendText(journal, string(order))
		journal = binary.AppendVarint(journal, int64(b.synced))
		journal = binary.AppendVarint(journal, int64(len(ch.touched)))
		for _, t := range ch.touched {
			journal = binary.AppendVarint(journal, int64(t.user))
			if !t.place.onBoard {
				journal = binary.AppendVarint(journal, -1)
				continue
			}
			journal = binary.AppendVarint(journal, int64(t.place.time))
			journal = binary.AppendVarint(journal, int64(t.place.value))
		}
	}
	return journal
}

// journalEntry is what is told of a transaction: between which versions of the shard
// it lies, and what appendJournal says of its cut.
func (c *cut) journalEntry(from string) []byte {
	entry := make([]byte, 0, len(from)+len(c.version)+2+len(c.journal))
	return append(appendText(appendText(entry, from), c.version), c.journal...)
}

func appendText(journal []byte, text string) []byte {
	return append(binary.AppendVarint(journal, int64(len(text))), text...)
}

// journalReader reads what was appended; what is not there is zero, and an error.
type journalReader struct {
	rest string
	err  error
}

func (r *journalReader) number() int64 {
	n, size := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.rest, r.err = "", errUnreadable
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *journalReader) text() string {
	n := r.number()
	if n < 0 || n > int64(len(r.rest)) {
		r.rest, r.err = "", errUnreadable
		return ""
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// catchUp makes what is remembered right again after others may have written: by the
// journal, or else by forgetting. While somebody else holds the shard it is too early.
func (s *shard) catchUp(ctx context.Context, session *session, holding bool) error {
	p := session.pipeline(ctx)
	get, exists := p.do("get", s.layout.VersionKey(s.number)), p.do("exists", s.layout.HoldKey(s.number))
	if err := session.send(p); err != nil {
		return s.projector.counted(err)
	}
	version, err := versionOf(get)
	if err != nil {
		return s.projector.counted(err)
	}
	held, err := exists.Bool()
	switch {
	case err != nil:
		return s.projector.counted(err)
	case held && !holding:
		return errHeld
	case version == s.version || s.version == "":
		return nil
	}
	s.sharedUntil = time.Now().Add(journalTime)
	p = session.pipeline(ctx)
	journal := p.do("lrange", s.layout.JournalKey(s.number), 0, -1)
	if err := session.send(p); err != nil {
		return s.projector.counted(err)
	}
	entries, err := journal.StringSlice()
	if err != nil {
		return s.projector.counted(err)
	}
	if !s.adopt(entries) {
		s.forget()
	}
	return nil
}

// adopt brings to what is remembered what the journal's entries, the last one first,
// tell of transactions after the version that is known. It tells whether they do.
func (s *shard) adopt(entries []string) bool {
	known := s.version
	if known == noVersion {
		return false // which is not the name of one state
	}
	for i := len(entries) - 1; i >= 0; i-- {
		r := journalReader{rest: entries[i]}
		from, to := r.text(), r.text()
		if from != s.version {
			continue
		}
		for r.err == nil && r.rest != "" {
			s.adoptBoard(&r)
		}
		if r.err != nil {
			return false
		}
		s.version = to
	}
	return s.version != known
}

// adoptBoard passes over what is not remembered: it is read when it is needed.
func (s *shard) adoptBoard(r *journalReader) {
	name, err := leaderboard.ParseBoard(r.text())
	if err != nil {
		r.err = errUnreadable
		return
	}
	b := s.boards[name]
	order, synced, users := leaderboard.Order(r.text()), leaderboard.Millis(r.number()), r.number()
	if b != nil {
		b.synced = synced
		if order != "" {
			b.begun, b.order = true, order
		}
	}
	for ; users > 0 && r.err == nil; users-- {
		user := leaderboard.UserID(r.number())
		var e entry
		if at := r.number(); at >= 0 {
			e = entry{leaderboard.Millis(at), leaderboard.Value(r.number()), true}
		}
		switch {
		case r.err != nil || b == nil:
		case b.complete:
			p, _ := s.place(b, user)
			p.entry = e
		default:
			if number, known := b.places[user]; known {
				s.slab.at(number).entry = e
			}
		}
	}
}
