package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/snapshot"
	"leaderboard/consumer"
)

type createSnapshotCommand struct {
	To         string       `env:"SNAPSHOT_TO" placeholder:"URL" help:"Where it goes: file:///directory/name or s3://bucket/key."`
	Generation int          `env:"SNAPSHOT_GENERATION" default:"0" placeholder:"N" help:"Generation of boards; 0 is the one that is read (${default})."`
	Output     output       `embed:"" envprefix:"SNAPSHOT_"`
	Redis      daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log        daemon.Log   `embed:"" set:"log_level=warn"`
}

// s3Help is what --help says of s3 URLs.
const s3Help = `

An s3 URL takes parameters, such as s3://bucket/key?region=eu-west-1, and for a server that is not of AWS s3://bucket/key?region=any&endpoint=https://host:9000&use_path_style=true. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from wherever else the tools of AWS find them.`

// Help is what --help says besides.
func (c *createSnapshotCommand) Help() string {
	return `Writes the boards with their place in the log, while the stream flows: a projector waits for the shard that is being read, readers never wait. Profiles and the catalog are not in it: they come from their topics. It overwrites nothing, and nothing is there until all of it is.` + s3Help
}

// Check names every wrong setting.
func (c *createSnapshotCommand) Check() error {
	mistakes := []error{checkLocation("to", c.To), c.Redis.Check(), c.Log.Check()}
	if c.Generation < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("generation", "%d is negative", c.Generation))
	}
	return errors.Join(mistakes...)
}

func (c *createSnapshotCommand) execute(ctx context.Context, std streams) error {
	c.Log.Logger(std.err) // takes what the Redis client has to say
	to, err := snapshot.ParseLocation(c.To)
	if err != nil {
		return err
	}
	store, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	contents, err := snapshot.Create(ctx, snapshot.CreateConfig{
		Redis: store, Generation: c.Generation, To: to, Progress: snapshotProgress(std.err),
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted: there is no snapshot")
	case err != nil:
		return fmt.Errorf("there is no snapshot: %w", err)
	}
	report := newSnapshotReport(contents)
	return c.Output.print(std.out, report, lines(report.words("written")...))
}

type restoreSnapshotCommand struct {
	From       string       `env:"SNAPSHOT_FROM" placeholder:"URL" help:"Where it lies: file:///directory/name or s3://bucket/key."`
	Generation int          `env:"SNAPSHOT_GENERATION" default:"0" placeholder:"N" help:"Generation of boards to make of it, one that nothing was written to."`
	Force      bool         `env:"SNAPSHOT_FORCE" help:"Do not ask Kafka whether the log goes on where the snapshot ends."`
	Output     output       `embed:"" envprefix:"SNAPSHOT_"`
	Kafka      daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis      daemon.Redis `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log        daemon.Log   `embed:"" set:"log_level=warn"`
}

// Help is what --help says besides.
func (c *restoreSnapshotCommand) Help() string {
	return `Makes a generation of boards from a snapshot. bin/projector --generation N goes on from there with the log, and leaderboard generations promote N lets readers use it; where they have none yet, they use it at once. A snapshot that is truncated or altered is refused before anything is written.` + s3Help
}

// Check names every wrong setting.
func (c *restoreSnapshotCommand) Check() error {
	return errors.Join(checkLocation("from", c.From), daemon.CheckPositive("generation", c.Generation), c.Kafka.Check(), c.Redis.Check(), c.Log.Check())
}

func (c *restoreSnapshotCommand) execute(ctx context.Context, std streams) error {
	c.Log.Logger(std.err) // takes what the Redis client has to say
	from, err := snapshot.ParseLocation(c.From)
	if err != nil {
		return err
	}
	store, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	var log []leaderboard.Extent
	if !c.Force {
		if log, err = activityLog(ctx, &c.Kafka); err != nil {
			return err
		}
	}
	restored, err := snapshot.Restore(ctx, snapshot.RestoreConfig{
		Redis: store, Generation: c.Generation, From: from, Log: log, Progress: snapshotProgress(std.err),
	})
	if err != nil {
		return err
	}
	report := newSnapshotReport(restored.Contents)
	report.RestoredInto, report.Read = c.Generation, restored.Read
	goesOn := fmt.Sprintf("bin/projector --generation %d goes on with it", c.Generation)
	if restored.Read {
		goesOn = fmt.Sprintf("readers use generation %d; %s", c.Generation, goesOn)
	} else {
		goesOn = fmt.Sprintf("%s; leaderboard generations promote %d lets readers use it", goesOn, c.Generation)
	}
	words := report.words(fmt.Sprintf("restored into generation %d", c.Generation))
	return c.Output.print(std.out, report, lines(append(words, goesOn)...))
}

func checkLocation(flag, text string) error {
	if _, err := snapshot.ParseLocation(text); err != nil {
		return daemon.Mistakenf(flag, "%v", err)
	}
	return nil
}

// activityLog tells what the activities topic holds. It makes no topic: one that is
// missing is no log to go on with.
func activityLog(ctx context.Context, settings *daemon.Kafka) ([]leaderboard.Extent, error) {
	cluster, err := reach(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("%w\n--force restores without asking Kafka", err)
	}
	return consumer.Extents(ctx, cluster, settings.Topics.Activities)
}

func snapshotProgress(w io.Writer) snapshot.Progress {
	return func(stage string, steps int64) snapshot.Bar { return progress(w, stage, steps) }
}

// snapshotReport is what a snapshot holds, and from where a projector goes on.
type snapshotReport struct {
	// Generation is the one that the snapshot was made of.
	Generation int                 `json:"generation"`
	Created    time.Time           `json:"created"`
	Boards     int                 `json:"boards"`
	Entries    int                 `json:"entries"`
	Partitions []snapshotPartition `json:"partitions"`
	// RestoredInto is 0 for a snapshot that was made.
	RestoredInto int  `json:"restoredInto,omitempty"`
	Read         bool `json:"read,omitempty"`
}

type snapshotPartition struct {
	Partition int   `json:"partition"`
	Next      int64 `json:"next"`
}

func newSnapshotReport(c *snapshot.Contents) snapshotReport {
	r := snapshotReport{Generation: c.Generation, Created: c.Created, Boards: c.Boards, Entries: c.Entries, Partitions: []snapshotPartition{}}
	for _, partition := range c.Partitions() {
		r.Partitions = append(r.Partitions, snapshotPartition{partition, c.Next[partition]})
	}
	return r
}

func (r *snapshotReport) words(done string) []string {
	words := []string{fmt.Sprintf("%d boards with %d entries of generation %d, as of %s, %s", r.Boards, r.Entries, r.Generation, r.Created.Format(time.RFC3339), done)}
	for _, p := range r.Partitions {
		words = append(words, fmt.Sprintf("partition %d: it goes on at offset %d of the log", p.Partition, p.Next))
	}
	return words
}
