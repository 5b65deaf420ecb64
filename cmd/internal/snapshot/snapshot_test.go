package snapshot

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"leaderboard"
	"leaderboard/projector"
)

// Boards by their shard in a generation that has two.
var (
	ofShard0 = leaderboard.Board{Org: 1, Group: 10, Rule: 7, Period: 2}
	ofShard1 = leaderboard.Board{Org: 1, Group: 10, Rule: 7, Period: 1}
)

func shards() []*projector.ShardSnapshot {
	rule := leaderboard.Rule{Aggregate: leaderboard.Min, Order: leaderboard.Ascending, Start: 5, End: 9}
	return []*projector.ShardSnapshot{
		{
			Fences:     map[int]int64{0: 12, 1: 40},
			PassedOver: map[leaderboard.Board]int64{ofShard0: 3},
			Seen: map[int]projector.SeenEvents{1: {Filling: 1, Since: 77, Halves: [2][]projector.SeenEvent{
				nil, {{Digest: []byte("sixteen  bytes a"), Published: 78}, {Digest: []byte("sixteen  bytes b"), Published: 80}},
			}}},
			Boards: []projector.BoardSnapshot{{Board: ofShard0, Rule: rule, Synced: 99, Entries: []leaderboard.Entry{
				{UserID: 1, Value: -leaderboard.MaxValue, LastActivity: 0},
				{UserID: 381_329_844, Value: leaderboard.MaxValue, LastActivity: leaderboard.MaxMillis},
			}}},
		},
		{
			Fences:     map[int]int64{0: 15, 1: 30, 2: 8},
			PassedOver: map[leaderboard.Board]int64{},
			Seen:       map[int]projector.SeenEvents{},
			Boards:     []projector.BoardSnapshot{{Board: ofShard1, Rule: rule, Synced: 1, Entries: []leaderboard.Entry{}}},
		},
	}
}

var dedupeWindow = leaderboard.Millis(3_600_000)

var notes = projector.Notes{DedupeWindow: &dedupeWindow, Begun: []int{0, 1}, Incomplete: map[int]int64{1: 50}, Holes: []projector.Hole{{Partition: 1, From: 5, To: 9}}}

// written is a snapshot of those shards.
func written(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := newWriter(&file, head{Generation: 3, Shards: 2, Created: time.UnixMilli(1_700_000_000_000).UTC(), DedupeWindow: notes.DedupeWindow, Begun: notes.Begun})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range shards() {
		if err := w.shard(i, s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.end(notes); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	file := written(t)
	r, err := newReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var got []*projector.ShardSnapshot
	err = r.decode(func(_ int, s *projector.ShardSnapshot) error {
		got = append(got, s)
		return nil
	})
	if err != nil || r.checkSum() != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, shards()) {
		t.Errorf("read is\n%+v\nwritten was\n%+v", got, shards())
	}
	want := &Contents{
		Generation: 3, Shards: 2, Created: time.UnixMilli(1_700_000_000_000).UTC(), Boards: 2, Entries: 2, Notes: notes,
		Next: map[int]int64{0: 12, 1: 30, 2: 0}, Reached: map[int]int64{0: 15, 1: 40, 2: 8},
	}
	if !reflect.DeepEqual(r.contents, want) {
		t.Errorf("the contents are\n%+v, want\n%+v", r.contents, want)
	}
}

// TestDamageIsRefused cuts a snapshot at every place, flips every bit of it, and
// adds to it.
func TestDamageIsRefused(t *testing.T) {
	file := written(t)
	refuse := func(what string, damaged []byte) {
		t.Helper()
		if _, err := inspect(bytes.NewReader(damaged), int64(len(damaged))); err == nil {
			t.Errorf("%s: it is accepted", what)
		}
	}
	for size := range file {
		refuse(fmt.Sprintf("cut to %d bytes", size), file[:size])
	}
	for bit := range 8 * len(file) {
		damaged := bytes.Clone(file)
		damaged[bit/8] ^= 1 << (bit % 8)
		refuse(fmt.Sprintf("bit %d flipped", bit), damaged)
	}
	refuse("a byte more", append(bytes.Clone(file), 0))
	refuse("twice", append(bytes.Clone(file), file...))
	refuse("an end of it", file[len(magic):])
	if _, err := inspect(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

// TestRefusalsSayWhy makes files that are whole and yet no good snapshots.
func TestRefusalsSayWhy(t *testing.T) {
	file := written(t)
	decoder, err := zstd.NewReader(bytes.NewReader(file[len(magic) : len(file)-sha256.Size]))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	var text strings.Builder
	if _, err := decoder.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text.String(), "\n"), "\n")
	const head, firstShard, seen, firstBoard, secondShard, secondBoard, tail = 0, 1, 2, 3, 4, 5, 6
	edit := func(line int, old, with string) []string {
		edited := slices.Clone(lines)
		edited[line] = strings.Replace(edited[line], old, with, 1)
		if edited[line] == lines[line] {
			t.Fatalf("%q is not in %q", old, lines[line])
		}
		return edited
	}
	for want, edited := range map[string][]string{
		"no snapshot of a leaderboard":            nil,
		"unknown field":                           edit(firstShard, `"shard"`, `"shart"`),
		"has -1 shards":                           edit(head, `"shards":2`, `"shards":-1`),
		"has a dedupe window of -1 ms":            edit(head, `"dedupeWindow":3600000`, `"dedupeWindow":-1`),
		"shard 1: EOF":                            lines[:secondShard],
		"shard 1 stands in the place of shard 0":  edit(firstShard, `"shard":0`, `"shard":1`),
		"has the fence -1":                        edit(firstShard, `"0":12`, `"0":-1`),
		"has no fence of partition 0":             edit(firstShard, `"0":12,`, ``),
		"fill half 2":                             edit(seen, `"filling":1`, `"filling":2`),
		"2 events of partition 1 have 1 times":    edit(seen, `[78,80]`, `[78]`),
		"1:10:7:1 does not belong to shard 0":     edit(firstBoard, `1:10:7:2`, `1:10:7:1`),
		"is not org:group:rule:period":            edit(secondBoard, `1:10:7:1`, `1:10:7`),
		"is not aggregate, order, start, end":     edit(secondBoard, `min asc 5 9`, `min asc`),
		"was synced at 0":                         edit(secondBoard, `"synced":1`, `"synced":0`),
		"an entry that is out of order":           edit(firstBoard, `[1,`, `[381329844,`),
		"should have 2 boards with 3 entries and": edit(tail, `"entries":2`, `"entries":3`),
		"goes on after its tail":                  append(slices.Clone(lines), "{}\n"),
		"board 1:10:7:1 is there twice": append(append(edit(secondShard, `"boards":1`, `"boards":2`)[:tail],
			lines[secondBoard]), strings.Replace(lines[tail], `"boards":2`, `"boards":3`, 1)),
	} {
		forged := bytes.Repeat([]byte("foreign "), 20)
		if edited != nil {
			forged = seal(t, strings.Join(edited, ""))
		}
		if _, err := inspect(bytes.NewReader(forged), int64(len(forged))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	without := seal(t, strings.Join(edit(head, `"dedupeWindow":3600000,`, ``), ""))
	if c, err := inspect(bytes.NewReader(without), int64(len(without))); err != nil || c.Notes.DedupeWindow != nil {
		t.Errorf("without a dedupe window: %+v, %v", c, err)
	}
	future := bytes.Replace(file, []byte("LBSNAP01"), []byte("LBSNAP02"), 1)
	if _, err := inspect(bytes.NewReader(future), int64(len(future))); err == nil || !strings.Contains(err.Error(), `version "02"`) {
		t.Errorf("of another version: %v", err)
	}
}

// seal makes a file of lines, with the right checksum.
func seal(t *testing.T, lines string) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = encoder.Close() }()
	file := encoder.EncodeAll([]byte(lines), []byte("LBSNAP01"))
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

func TestLocations(t *testing.T) {
	for text, want := range map[string]string{
		"file:///var/snapshots/a.lbsnap":          "/var/snapshots a.lbsnap",
		"s3://bucket/a/b.lbsnap?region=eu-west-1": "s3://bucket?region=eu-west-1 a/b.lbsnap",
		"":                     "is missing",
		"/var/a":               "neither file:///directory/name nor s3://bucket/key",
		"file://var/a":         "neither",
		"file:///var/":         "neither",
		"file:///var/a?x=y":    "neither",
		"s3://bucket":          "neither",
		"s3://bucket/":         "neither",
		"gs://bucket/a":        "neither",
		"s3://id:secret@b/a":   "AWS_ACCESS_KEY_ID",
		"s3://id:secret@b/%zz": "no URL",
	} {
		l, err := ParseLocation(text)
		got := l.directory + " " + l.key
		if l.bucket != nil {
			got = l.bucket.String() + " " + l.key
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || strings.Contains(got, "secret@") {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestLogThatDoesNotGoOn(t *testing.T) {
	contents := &Contents{Notes: projector.Notes{Begun: []int{0, 1}}, Next: map[int]int64{0: 100, 1: 50}, Reached: map[int]int64{0: 120, 1: 60}}
	for name, c := range map[string]struct {
		log  []leaderboard.Extent
		want []string
	}{
		"goes on":            {[]leaderboard.Extent{{Partition: 0, First: 100, End: 120}, {Partition: 1, First: 0, End: 60}, {Partition: 2, First: 0, End: 9}}, nil},
		"begins later":       {[]leaderboard.Extent{{Partition: 0, First: 101, End: 500}, {Partition: 1, First: 51, End: 500}}, []string{"partition 0 of the log begins at offset 101", "partition 1 of the log begins at offset 51"}},
		"new and cut":        {[]leaderboard.Extent{{Partition: 0, End: 500}, {Partition: 1, End: 500}, {Partition: 2, First: 1, End: 5}}, []string{"partition 2 of the log begins at offset 1, and the snapshot ends at 0"}},
		"ends before":        {[]leaderboard.Extent{{Partition: 0, End: 119}, {Partition: 1, End: 60}}, []string{"partition 0 of the log ends at offset 119, and the snapshot at 120"}},
		"lacks the other":    {[]leaderboard.Extent{{Partition: 0, End: 120}}, []string{"partition 1 of the log ends at offset 0"}},
		"is of another kind": {[]leaderboard.Extent{}, []string{"partition 0", "partition 1"}},
	} {
		err := checkLog(contents, c.log)
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, part := range c.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in %v", name, part, err)
			}
		}
	}
}
