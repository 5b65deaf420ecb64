package dev

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"strconv"

	"github.com/segmentio/kafka-go"

	"leaderboard/cmd/internal/feed"
	"leaderboard/consumer"
)

// headerLine is on each record of the activities file: the number of its line.
const headerLine = "dev.line"

// publishActivitiesFile publishes the activities file to a log without activities,
// or what the log lacks of it when an earlier start was cut off.
func (e *environment) publishActivitiesFile(ctx context.Context, empty bool) error {
	path, lines := e.config.Activities, feed.Lines{Key: feed.ActivityKey}
	begun, err := e.begunFile()
	switch {
	case err != nil:
		return err
	case path == "" && begun != "":
		e.notes = append(e.notes, "the log has a part of "+begun+" only: --activities "+begun+" publishes the rest")
		return nil
	case path == "":
		return nil
	case begun == "" && !empty:
		e.notes = append(e.notes, "the log has activities already, so "+path+" was not published again")
		return nil
	case e.config.Data == "":
		return e.publishFile(ctx, path, e.topics.Activities, lines)
	}
	present := publishedLines{}
	if begun != "" {
		if present, err = e.readPublishedLines(ctx); err != nil {
			return err
		}
		e.notes = append(e.notes, "an earlier start was cut off, so the rest of "+path+" was published")
	} else if err := os.WriteFile(e.begunPath(), []byte(path), 0o600); err != nil {
		return err
	}
	lines.Visit = present.visit
	if err := e.publishFile(ctx, path, e.topics.Activities, lines); err != nil {
		return err
	}
	return os.Remove(e.begunPath())
}

// begunPath is of a file that is there while the activities file, whose name it
// holds, is published in part.
func (e *environment) begunPath() string { return filepath.Join(e.config.Data, "publishing") }

// begunFile names the activities file that was published in part, if one was.
func (e *environment) begunFile() (string, error) {
	if e.config.Data == "" {
		return "", nil
	}
	name, err := os.ReadFile(e.begunPath())
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return string(name), err
}

// publishedLines are hashes of the records that the log has of the activities file,
// by the numbers of their lines.
type publishedLines map[int]uint64

var lineSeed = maphash.MakeSeed()

func (e *environment) readPublishedLines(ctx context.Context) (publishedLines, error) {
	present := publishedLines{}
	extents, err := consumer.Extents(ctx, e.cluster, e.topics.Activities)
	if err != nil {
		return nil, fmt.Errorf("look at topic %s: %w", e.topics.Activities, err)
	}
	for _, extent := range extents {
		err := consumer.ReadLog(ctx, e.cluster, e.topics.Activities, extent, func(r consumer.LogRecord) error {
			for _, h := range r.Headers {
				if number, err := strconv.Atoi(string(h.Value)); h.Key == headerLine && err == nil {
					present[number] = maphash.Bytes(lineSeed, r.Value)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read topic %s: %w", e.topics.Activities, err)
		}
	}
	return present, nil
}

// visit lets only those lines be sent that the log lacks. It ends at a line of
// which the log has something else: that is another file.
func (p publishedLines) visit(number int, m *kafka.Message) (send bool, err error) {
	m.Headers = []kafka.Header{{Key: headerLine, Value: []byte(strconv.Itoa(number))}}
	switch hash, there := p[number]; {
	case !there:
		return true, nil
	case hash != maphash.Bytes(lineSeed, m.Value):
		return false, errors.New("an earlier start, which was cut off, published something else as this line; give the file of that start, or another --data")
	}
	return false, nil
}
