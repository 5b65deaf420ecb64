package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"leaderboard/consumer"
	"leaderboard/test/programs"
)

// TestDevGoesOnWhereItWasCutOff kills `leaderboard dev --data` while it publishes the
// activities file, here a pipe that gives it no end: once in the midst of a part that
// it sends together, once between two. The log gets each line once.
func TestDevGoesOnWhereItWasCutOff(t *testing.T) {
	data := madeUpPurchases(t)
	text := readFile(t, data.activities)
	file := filepath.Join(t.TempDir(), "activities.jsonl")
	without := []string{"--data", t.TempDir(), "--catalog", data.catalog}
	args := append(slices.Clone(without), "--activities", file)
	first, second := strings.LastIndex(text[:len(text)/2], "\n")+1, strings.LastIndex(text[:len(text)*3/4], "\n")+1
	for _, c := range []struct {
		text    string
		records int
	}{{text[:first], 1}, {text[:second], strings.Count(text[:second], "\n")}} {
		endFeeding := feedPipe(t, file, c.text)
		run := programs.Launch(t, nil, "leaderboard", append([]string{"dev"}, args...)...)
		programs.Await(t, "records in the log", func() error {
			if run.Listening("admin") == "" {
				return errors.New("it has not made its topics")
			}
			if records := recordCount(t, run.Listening("kafka"), activitiesTopic); records < c.records {
				return fmt.Errorf("there are %d", records)
			}
			return nil
		})
		run.Kill()
		endFeeding()
	}

	run := startDev(t, os.Getenv("PATH"), append(without, "--simulate=false")...)
	if notes := strings.Join(run.notes, "\n"); !strings.Contains(notes, "--activities "+file) {
		t.Errorf("without the file the notes are %q", run.notes)
	}
	run.interrupt()
	writeFile(t, file, "\n"+text)
	other := runProgram(t, nil, "", "leaderboard", append([]string{"dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)
	other.expect(1, file, "line 2: an earlier start")

	writeFile(t, file, text)
	run = startDev(t, os.Getenv("PATH"), args...)
	if notes := strings.Join(run.notes, "\n"); !strings.Contains(notes, "the rest of "+file) {
		t.Errorf("the notes are %q", run.notes)
	}
	run.expectLines(text)
	run.awaitNoLag()
	run.checkBoards(data)
	run.interrupt()
	run = startDev(t, os.Getenv("PATH"), args...)
	run.expectNotPublishedAgain(data)
	run.interrupt()
}

// feedPipe makes a pipe of that name and writes the text to it. The pipe has no end
// until the function returned is called, which removes it.
func feedPipe(t *testing.T, file, text string) (end func()) {
	t.Helper()
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = pipe.WriteString(text) // all of it, unless the reader is killed
	}()
	return func() {
		_ = pipe.Close()
		<-written
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// expectLines requires that the log has each line once, those of a user in order.
func (d *dev) expectLines(text string) {
	d.t.Helper()
	byUser := func(lines []string) map[string][]string {
		users := map[string][]string{}
		for _, line := range lines {
			user := userOf.FindString(line)
			users[user] = append(users[user], strings.TrimSpace(line))
		}
		return users
	}
	var log []string
	err := consumer.ReadCompacted(context.Background(), consumer.Cluster{Brokers: []string{d.broker}}, activitiesTopic, func(_ string, value []byte) error {
		log = append(log, string(value))
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if want := strings.Split(strings.TrimSpace(text), "\n"); !reflect.DeepEqual(byUser(log), byUser(want)) {
		d.t.Errorf("the log has %d lines that are not the %d of the file, each once and in order", len(log), len(want))
	}
}

var userOf = regexp.MustCompile(`"userId":\d+`)
