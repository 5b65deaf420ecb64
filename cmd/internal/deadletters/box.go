package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"leaderboard"
	"leaderboard/consumer"
)

// Settlement is what became of a record that was a dead letter.
type Settlement struct {
	As   Outcome   `json:"as"`
	Time time.Time `json:"time"`
}

// Outcome is a kind of [Settlement].
type Outcome string

// The outcomes.
const (
	Replayed  Outcome = "replayed"
	Discarded Outcome = "discarded"
	// Erased is of a record that was to be replayed, and was not: its user was
	// erased after it was published first.
	Erased Outcome = "erased"
)

// Box is the dead letters, and what became of them.
type Box struct {
	Cluster consumer.Cluster
	// Topic is the dead letters' topic. SettledTopic is compacted and holds a
	// [Settlement] by the [consumer.Place] of the record; it is empty while none is there.
	Topic, SettledTopic string
	// CatalogTopic is asked for the period of a record that names none.
	CatalogTopic string
	// ProfilesTopic and ErasuresTopic tell which users were erased.
	ProfilesTopic, ErasuresTopic string
	Log                          *slog.Logger
}

// settlements reads what became of the records so far, by their places.
func (b *Box) settlements(ctx context.Context) (map[string]Settlement, error) {
	settled := map[string]Settlement{}
	if b.SettledTopic == "" {
		return settled, nil
	}
	err := consumer.ReadCompacted(ctx, b.Cluster, b.SettledTopic, func(place string, value []byte) error {
		if value == nil {
			delete(settled, place)
			return nil
		}
		var s Settlement
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("the settlement of %s: %w", place, err)
		}
		settled[place] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read topic %s: %w", b.SettledTopic, err)
	}
	return settled, nil
}

// Each visits the letters that the filter chooses and that are not settled, in the
// order of their topic. Of several letters about one record it visits the first:
// the record is read, and refused, again when boards are made again.
func (b *Box) Each(ctx context.Context, f Filter, each func(Letter) error) error {
	settled, err := b.settlements(ctx)
	if err != nil {
		return err
	}
	return b.read(ctx, func(l Letter) error {
		record := l.Record.String()
		if _, done := settled[record]; done {
			return nil
		}
		settled[record] = Settlement{}
		if !f.matches(&l) {
			return nil
		}
		return each(l)
	})
}

// read visits all letters. A record that is no dead letter is passed over.
func (b *Box) read(ctx context.Context, each func(Letter) error) error {
	catalog := leaderboard.NewCatalog()
	err := consumer.ReadCompacted(ctx, b.Cluster, b.CatalogTopic, func(key string, value []byte) error {
		_ = catalog.Set(key, value) // invalid records are passed over
		return nil
	})
	if err != nil {
		return fmt.Errorf("read topic %s: %w", b.CatalogTopic, err)
	}
	extents, err := consumer.Extents(ctx, b.Cluster, b.Topic)
	if err != nil {
		return fmt.Errorf("read topic %s: %w", b.Topic, err)
	}
	for _, extent := range extents {
		err := consumer.ReadLog(ctx, b.Cluster, b.Topic, extent, func(r consumer.LogRecord) error {
			letter, err := parseLetter(b.Topic, r, catalog)
			if err != nil {
				b.Log.Warn("a record that is no dead letter is passed over", "letter", letter.ID(), "error", err)
				return nil
			}
			return each(letter)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrNoLetter says that there is no dead letter of an id.
var ErrNoLetter = errors.New("there is no such dead letter; deadletters list shows which there are")

// Find finds a letter by its id, and what became of its record: nothing yet when
// the settlement is nil.
func (b *Box) Find(ctx context.Context, id string) (Letter, *Settlement, error) {
	settled, err := b.settlements(ctx)
	if err != nil {
		return Letter{}, nil, err
	}
	var found *Letter
	err = b.read(ctx, func(l Letter) error {
		if l.ID() == id {
			found = &l
		}
		return nil
	})
	switch {
	case err != nil:
		return Letter{}, nil, err
	case found == nil:
		return Letter{}, nil, fmt.Errorf("dead letter %s: %w", id, ErrNoLetter)
	}
	if s, done := settled[found.Record.String()]; done {
		return *found, &s, nil
	}
	return *found, nil, nil
}
