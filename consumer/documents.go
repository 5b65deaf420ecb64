package consumer

import (
	"context"
	"errors"
	"log/slog"

	"leaderboard"
)

// Documents is where the latest records of a compacted topic are kept. The rules
// of [Boards] hold.
type Documents interface {
	// Resume tells the first offset of the partition that is not kept yet.
	Resume(ctx context.Context, partition int) (next int64, err error)
	// Apply keeps a batch.
	Apply(ctx context.Context, b leaderboard.DocumentBatch) error
	// Sync makes sure that everything below an offset is kept still.
	Sync(ctx context.Context, partition int, to int64) (next int64, err error)
}

// documents is the handler of one partition of a compacted topic.
type documents struct {
	partition partition
	store     Documents
	// parse checks a record and says where it lies.
	parse   func(m message) (leaderboard.Document, error)
	log     *slog.Logger
	metrics *metrics
}

func (d *documents) resume(ctx context.Context, _ leaderboard.Extent) (int64, error) {
	return d.store.Resume(ctx, d.partition.id)
}

func (d *documents) sync(ctx context.Context, to int64) (int64, error) {
	return d.store.Sync(ctx, d.partition.id, to)
}

// decode gives nil for a record that is invalid: it is named, counted and ignored.
func (d *documents) decode(m message) *leaderboard.Document {
	document, err := d.parse(m)
	if err != nil {
		d.metrics.invalid.WithLabelValues(d.partition.topic).Inc()
		d.log.Warn("invalid record ignored", "offset", m.offset, "error", err)
		return nil
	}
	return &document
}

func (d *documents) handle(ctx context.Context, from, to int64, records []*leaderboard.Document) error {
	batch := leaderboard.DocumentBatch{Partition: d.partition.id, From: from, To: to}
	for _, document := range records {
		if document != nil {
			batch.Documents = append(batch.Documents, *document)
		}
	}
	return d.store.Apply(ctx, batch)
}

func parseCatalogRecord(m message) (leaderboard.Document, error) {
	key := string(m.key)
	if err := leaderboard.NewCatalog().Set(key, m.value); err != nil {
		return leaderboard.Document{}, err
	}
	return leaderboard.Document{Offset: m.offset, Key: key, Hash: leaderboard.CatalogKey, Field: key, Value: m.value}, nil
}

// errForeignKey names no key: it may be personal.
var errForeignKey = errors.New("the key is not orgId:userId of the profile")

func parseProfileRecord(m message) (leaderboard.Document, error) {
	org, user, err := leaderboard.ParseUserKey(string(m.key))
	if err != nil {
		return leaderboard.Document{}, errForeignKey
	}
	if m.value != nil {
		profile, err := leaderboard.ParseProfile(m.value)
		if err != nil {
			return leaderboard.Document{}, err
		}
		if profile.OrgID != org || profile.UserID != user {
			return leaderboard.Document{}, errForeignKey
		}
	}
	return leaderboard.Document{Offset: m.offset, Key: string(m.key), Hash: leaderboard.ProfilesKey(org), Field: leaderboard.MemberUser(user), Value: m.value}, nil
}
