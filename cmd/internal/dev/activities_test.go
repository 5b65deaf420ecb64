package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"leaderboard/cmd/internal/feed"
	"leaderboard/consumer"
)

// activityLines are made up so that no two are the same.
func activityLines(from, to int) string {
	var text strings.Builder
	for i := from; i < to; i++ {
		_, _ = fmt.Fprintf(&text, `{"orgId":1,"userId":%d}`+"\n", i)
	}
	return text.String()
}

// onBroker makes an environment whose log is empty.
func onBroker(t *testing.T, data string) *environment {
	t.Helper()
	broker, cluster, err := startBroker("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	e := &environment{config: Config{Data: data}, cluster: cluster, topics: consumer.DefaultTopics()}
	if _, err := cluster.EnsureTopics(t.Context(), e.topics.Plan(4)); err != nil {
		t.Fatal(err)
	}
	return e
}

// expectLog requires that the log has exactly the users below to, each once.
func (e *environment) expectLog(t *testing.T, to int) {
	t.Helper()
	var got, want []string
	err := consumer.ReadCompacted(t.Context(), e.cluster, e.topics.Activities, func(key string, _ []byte) error {
		got = append(got, key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < to; i++ {
		want = append(want, fmt.Sprintf("1:%d", i))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the log has %d records, not each of %d users once", len(got), len(want))
	}
}

// TestActivitiesFileGoesOn is cut off by a line that is no activity, and by an end
// that left holes: what partitions got of the lines that were sent together differs.
func TestActivitiesFileGoesOn(t *testing.T) {
	data := t.TempDir()
	e := onBroker(t, data)
	e.config.Activities = filepath.Join(data, "activities.jsonl")
	publish := func(text string, empty bool) error {
		t.Helper()
		if err := os.WriteFile(e.config.Activities, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		e.notes = nil
		return e.publishActivitiesFile(t.Context(), empty)
	}
	if err := publish(activityLines(1, 30)+"\nnonsense\n"+activityLines(30, 90), true); err == nil || !strings.Contains(err.Error(), "line 31: ") {
		t.Errorf("the line that is no activity: %v", err)
	}
	e.expectLog(t, 30)

	lines := feed.Lines{Key: feed.ActivityKey, Visit: func(number int, m *kafka.Message) (bool, error) {
		m.Headers = []kafka.Header{{Key: "dev.line", Value: fmt.Append(nil, number)}}
		return number > 31 && number%3 == 0, nil
	}}
	text := activityLines(1, 30) + "\n" + activityLines(30, 90)
	if err := e.publish(t.Context(), strings.NewReader(text), e.topics.Activities, lines); err != nil {
		t.Fatal(err)
	}
	if err := publish("\n"+text, false); err == nil || !strings.Contains(err.Error(), "line 2: an earlier start") {
		t.Errorf("another file: %v", err)
	}
	if err := publish(text, false); err != nil || len(e.notes) != 1 || !strings.Contains(e.notes[0], "the rest of") {
		t.Errorf("the notes are %q, %v", e.notes, err)
	}
	e.expectLog(t, 90)
	if err := publish(text, false); err != nil || len(e.notes) != 1 || !strings.Contains(e.notes[0], "not published again") {
		t.Errorf("the notes are %q, %v", e.notes, err)
	}
	e.expectLog(t, 90)
}

// TestActivitiesFileGoesOnAfterCtrlC ends the context as soon as the log has records:
// in the middle, unless the machine is in no hurry to look.
func TestActivitiesFileGoesOnAfterCtrlC(t *testing.T) {
	data := t.TempDir()
	e := onBroker(t, data)
	e.config.Activities = filepath.Join(data, "activities.jsonl")
	const users = 30_000
	if err := os.WriteFile(e.config.Activities, []byte(activityLines(1, users)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cutOff := make(chan error, 1)
	go func() { cutOff <- e.publishActivitiesFile(ctx, true) }()
	err := poll(t.Context(), func() (bool, error) {
		empty, err := feed.IsEmpty(t.Context(), e.cluster, e.topics.Activities)
		return !empty, err
	})
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	if err := <-cutOff; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := e.publishActivitiesFile(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	e.expectLog(t, users)
}
