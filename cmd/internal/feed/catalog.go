package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"

	"leaderboard"
	"leaderboard/consumer"
)

// Change is what became of one record of the catalog.
type Change struct {
	Key  string     `json:"key"`
	Kind ChangeKind `json:"kind"`
}

// ChangeKind is a kind of [Change].
type ChangeKind string

// The kinds of change.
const (
	Created   ChangeKind = "created"
	Changed   ChangeKind = "changed"
	Unchanged ChangeKind = "unchanged"
)

// ReadCatalog is the catalog as its topic has it; invalid records are passed over.
func ReadCatalog(ctx context.Context, cluster consumer.Cluster, topic string) (leaderboard.CatalogDocument, error) {
	catalog := leaderboard.NewCatalog()
	err := consumer.ReadCompacted(ctx, cluster, topic, func(key string, value []byte) error {
		_ = catalog.Set(key, value)
		return nil
	})
	if err != nil {
		return leaderboard.CatalogDocument{}, fmt.Errorf("read the catalog topic %s: %w", topic, err)
	}
	return catalog.Document(), nil
}

// ApplyCatalog lays the file's objects over what the topic has and writes what
// changes, but only if the whole is valid; the error names every mistake in it.
func ApplyCatalog(ctx context.Context, cluster consumer.Cluster, topic string, file CatalogFile) ([]Change, error) {
	present, err := ReadCatalog(ctx, cluster, topic)
	if err != nil {
		return nil, err
	}
	whole := overlay(present, file.CatalogDocument)
	if err := errors.Join(append(file.slips, whole.Validate())...); err != nil {
		return nil, err
	}
	before, err := records(present)
	if err != nil {
		return nil, err
	}
	wanted, err := records(file.CatalogDocument)
	if err != nil {
		return nil, err
	}
	changes, messages := compare(before, wanted)
	writer := cluster.Writer(topic)
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		_ = writer.Close()
		return nil, fmt.Errorf("write the catalog topic %s: %w", topic, err)
	}
	return changes, writer.Close()
}

// overlay keeps what the file says twice, so that it is found.
func overlay(present, file leaderboard.CatalogDocument) leaderboard.CatalogDocument {
	orgs := slices.DeleteFunc(slices.Clone(present.Orgs), func(o leaderboard.Org) bool {
		return slices.ContainsFunc(file.Orgs, func(f leaderboard.Org) bool { return f.Key() == o.Key() })
	})
	groups := slices.DeleteFunc(slices.Clone(present.TargetGroups), func(g leaderboard.TargetGroup) bool {
		return slices.ContainsFunc(file.TargetGroups, func(f leaderboard.TargetGroup) bool { return f.Key() == g.Key() })
	})
	return leaderboard.CatalogDocument{
		Orgs:         append(orgs, file.Orgs...),
		TargetGroups: append(groups, file.TargetGroups...),
	}
}

// records are the records of a catalog, organisations first.
func records(d leaderboard.CatalogDocument) ([]kafka.Message, error) {
	var messages []kafka.Message
	add := func(key string, object any) error {
		value, err := json.Marshal(object)
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", key, err)
		}
		messages = append(messages, kafka.Message{Key: []byte(key), Value: value})
		return nil
	}
	for i := range d.Orgs {
		if err := add(d.Orgs[i].Key(), &d.Orgs[i]); err != nil {
			return nil, err
		}
	}
	for i := range d.TargetGroups {
		if err := add(d.TargetGroups[i].Key(), &d.TargetGroups[i]); err != nil {
			return nil, err
		}
	}
	return messages, nil
}

// compare tells what the wanted records change and which of them have to be written.
func compare(before, wanted []kafka.Message) (changes []Change, write []kafka.Message) {
	present := map[string][]byte{}
	for _, m := range before {
		present[string(m.Key)] = m.Value
	}
	for _, m := range wanted {
		change := Change{Key: string(m.Key), Kind: Changed}
		switch value, there := present[change.Key]; {
		case !there:
			change.Kind = Created
		case bytes.Equal(value, m.Value):
			change.Kind = Unchanged
		}
		if change.Kind != Unchanged {
			write = append(write, m)
		}
		changes = append(changes, change)
	}
	return changes, write
}
