package feed

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard"
	"leaderboard/consumer"
)

func startCluster(t *testing.T) consumer.Cluster {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster := consumer.Cluster{Brokers: broker.ListenAddrs(), ClientID: "test"}
	if _, err := cluster.EnsureTopics(t.Context(), consumer.DefaultTopics().Plan(4)); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// record is a record as it lies in its topic.
type record struct{ key, value string }

func topicRecords(t *testing.T, cluster consumer.Cluster, topic string) []record {
	t.Helper()
	var records []record
	err := consumer.ReadCompacted(t.Context(), cluster, topic, func(key string, value []byte) error {
		records = append(records, record{key, string(value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func publishLines(t *testing.T, cluster consumer.Cluster, rate float64, lines io.Reader) (int, error) {
	t.Helper()
	writer := cluster.Writer(consumer.DefaultTopics().Activities)
	published, err := Lines{Writer: writer, Key: ActivityKey, Rate: rate}.Publish(t.Context(), lines)
	return published, errors.Join(err, writer.Close())
}

func TestPublishKeepsTheOrderOfEachKey(t *testing.T) {
	cluster := startCluster(t)
	const users, each = 7, 3000
	var text strings.Builder
	want := map[string][]string{}
	for i := range users * each {
		line := fmt.Sprintf(`{"orgId":1,"userId":%d,"n":%d}`, 1+i%users, i)
		key := fmt.Sprintf("1:%d", 1+i%users)
		want[key] = append(want[key], line)
		text.WriteString(line + "\n")
		if i%1000 == 0 {
			text.WriteString("  \r\n")
		}
	}
	published, err := publishLines(t, cluster, 0, strings.NewReader(strings.TrimSuffix(text.String(), "\n")))
	if published != users*each || err != nil {
		t.Fatalf("published %d, %v", published, err)
	}
	got := map[string][]string{}
	for _, r := range topicRecords(t, cluster, consumer.DefaultTopics().Activities) {
		got[r.key] = append(got[r.key], r.value)
	}
	for key := range want {
		if !slices.Equal(got[key], want[key]) {
			t.Errorf("the records of %s are not its lines in order", key)
		}
	}
}

func TestPublishEndsAtTheFirstLineWithoutAKey(t *testing.T) {
	for name, bad := range map[string]string{
		"not JSON":  `{"orgId":1,`,
		"no object": `[1]`,
		"no user":   `{"orgId":1}`,
		"no org":    `{"userId":1}`,
		"text ids":  `{"orgId":"1","userId":"2"}`,
		"zero user": `{"orgId":1,"userId":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			cluster := startCluster(t)
			text := `{"orgId":1,"userId":1}` + "\n\n" + `{"orgId":1,"userId":2}` + "\n" + bad + "\n" + `{"orgId":1,"userId":3}` + "\n"
			published, err := publishLines(t, cluster, 0, strings.NewReader(text))
			if published != 2 || err == nil || !strings.HasPrefix(err.Error(), "line 4: ") {
				t.Errorf("published %d, %v", published, err)
			}
			if n := len(topicRecords(t, cluster, consumer.DefaultTopics().Activities)); n != 2 {
				t.Errorf("the topic has %d records", n)
			}
		})
	}
}

// drip gives a line at a time and fails the test when a line is asked for before
// those read already were sent.
type drip struct {
	t       *testing.T
	cluster consumer.Cluster
	given   int
}

func (d *drip) Read(p []byte) (int, error) {
	if n := len(topicRecords(d.t, d.cluster, consumer.DefaultTopics().Activities)); n != d.given {
		d.t.Errorf("%d lines were given and %d sent before the next was asked for", d.given, n)
	}
	if d.given == 3 {
		return 0, io.EOF
	}
	d.given++
	return copy(p, fmt.Sprintf(`{"orgId":1,"userId":%d}`+"\n", d.given)), nil
}

func TestPublishSendsWhatItHasBeforeItWaits(t *testing.T) {
	cluster := startCluster(t)
	if published, err := publishLines(t, cluster, 0, &drip{t: t, cluster: cluster}); published != 3 || err != nil {
		t.Errorf("published %d, %v", published, err)
	}
}

func TestPublishPaces(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		chunk int
	}{{0, chunkRecords}, {0.5, 1}, {50, 5}, {1e9, chunkRecords}} {
		limiter, chunk := Lines{Rate: c.rate}.pace()
		if chunk != c.chunk || limiter.Burst() < chunk || (c.rate > 0 && float64(limiter.Limit()) != c.rate) {
			t.Errorf("rate %v: limit %v, burst %d, chunk %d", c.rate, limiter.Limit(), limiter.Burst(), chunk)
		}
	}
}

func TestPublishIsInterrupted(t *testing.T) {
	cluster := startCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writer := cluster.Writer(consumer.DefaultTopics().Activities)
	published, err := Lines{Writer: writer, Key: ActivityKey}.Publish(ctx, strings.NewReader(`{"orgId":1,"userId":1}`))
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if published != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("published %d, %v", published, err)
	}
}

func TestActivityKeyOfEveryForm(t *testing.T) {
	data := `"data":{"customerIdentifiers":{"customerId":7},"targetDetails":{"id":3,"targetGroupId":4},"achievedTargetValue":"5.5"}`
	for name, line := range map[string]string{
		"native":  `{"orgId":9,"userId":7,"targetGroupId":1,"targetRuleId":2,"activityTime":"2024-01-01T00:00:00Z"}`,
		"poison":  `{"orgId":9,"userId":7,"value":{}}`,
		"flat":    `{"eventName":"targetAchievedValueUpdated","orgId":9,"createdAt":1700000000000,` + data + `}`,
		"wrapped": `{"attributes":{"eventName":"targetAchievedValueUpdated"," orgId ":9,"createdAt":1700000000000,` + data + `}}`,
	} {
		if key, err := ActivityKey([]byte(line)); key != "9:7" || err != nil {
			t.Errorf("%s: key %q, %v", name, key, err)
		}
	}
}

func TestProfileKeyTakesValidProfilesOnly(t *testing.T) {
	if key, err := ProfileKey([]byte(`{"orgId":9,"userId":7,"attributes":{"mobile":"1"}}`)); key != "9:7" || err != nil {
		t.Errorf("key %q, %v", key, err)
	}
	for _, line := range []string{`{"orgId":9,"userId":7}`, `{"orgId":9,"attributes":{}}`, `{"orgId":9,"userId":7,"attributes":{"mobile":1}}`} {
		if key, err := ProfileKey([]byte(line)); err == nil {
			t.Errorf("%s has the key %q", line, key)
		}
	}
}

func TestOpenUnpacks(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := io.WriteString(w, "one\ntwo\n")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "lines.jsonl.gz")
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := Unpack("lines.gz", strings.NewReader("plain")); err == nil {
		t.Error("a plain file passes for a packed one")
	}
}

const validCatalog = `
orgs:
  - {orgId: 5, name: Five, timeZone: UTC}
targetGroups:
  - targetGroupId: 50
    orgId: 5
    name: Group
    periods: [{periodId: 1, refCode: p, start: 2022-11-01T00:00:00+05:30, end: "2022-12-01T00:00:00+05:30"}]
    targets: [{targetRuleId: 1, name: t}]
`

func TestCatalogFileThatIsNone(t *testing.T) {
	for _, text := range []string{"", "orgs: [", "orgs: []\norgs: []", "[]"} {
		if _, err := parseCatalog([]byte(text)); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}

// TestApplyCatalogNamesEveryMistakeAtOnce makes mistakes of every kind, some of them in
// one object: values of the wrong type, unknown fields, broken rules.
func TestApplyCatalogNamesEveryMistakeAtOnce(t *testing.T) {
	file, err := parseCatalog([]byte(`
orgs:
  - {orgId: 5, name: 5, timeZone: Nowhere/City, colour: red}
  - 7
  - {orgId: six, name: Six, timeZone: UTC}
targetGroups:
  - targetGroupId: 1
    orgId: 5
    active: maybe
    periods:
      - {periodId: 1, start: soon, end: 2022-11-02T00:00:00Z}
      - {periodId: 2, start: 2022-11-01T00:00:00Z, end: 2022-12-01T00:00:00Z}
      - {periodId: 3, start: 2022-12-01T00:00:00Z, end: 2022-11-01T00:00:00Z}
    targets: [{targetRuleId: 1, aggregate: product}, {targetRuleId: two}]
  - {targetGroupId: 2, orgId: 77, targets: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = ApplyCatalog(t.Context(), startCluster(t), consumer.DefaultTopics().Catalog, file)
	want := []string{
		"orgs[0].name: is not a text",
		"orgs[1]: is not an object",
		"orgs[2].orgId: is not a whole number",
		"targetGroups[0].active: is not true or false",
		"targetGroups[0].periods[0].start: is not a time such as 2022-11-01T00:00:00+05:30",
		"targetGroups[0].targets[1].targetRuleId: is not a whole number",
		"targetGroups[1].targets: is not a list",
		"orgs[0].colour: unknown field",
		`org 5: timeZone "Nowhere/City" is not an IANA time zone such as Asia/Kolkata`,
		"org 0: orgId is missing or not positive",
		`target group 1: target 1: aggregate "product" is not one of sum, max, min, latest`,
		"target group 1: targetRuleId 0 is missing, not positive, or there twice",
		"target group 1: period 3: start 2022-12-01T00:00:00Z is not before end 2022-11-01T00:00:00Z",
		"target group 2: orgId 77 is not an organisation of the catalog",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("error is\n%v", err)
	}
}

func TestApplyCatalog(t *testing.T) {
	cluster := startCluster(t)
	topic := consumer.DefaultTopics().Catalog
	apply := func(text string) ([]Change, error) {
		t.Helper()
		file, err := parseCatalog([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return ApplyCatalog(t.Context(), cluster, topic, file)
	}
	expect := func(text string, want ...Change) {
		t.Helper()
		if got, err := apply(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("changes %v, want %v; %v", got, want, err)
		}
	}
	expect(validCatalog, Change{"org:5", Created}, Change{"group:5:50", Created})
	expect(validCatalog, Change{"org:5", Unchanged}, Change{"group:5:50", Unchanged})
	expect(strings.ReplaceAll(validCatalog, "Five", "Fifth"), Change{"org:5", Changed}, Change{"group:5:50", Unchanged})
	expect("orgs: [{orgId: 6, name: Six, timeZone: UTC, parentOrgId: 5}]", Change{"org:6", Created})
	if n := len(topicRecords(t, cluster, topic)); n != 4 {
		t.Errorf("the topic has %d records, want one for each change", n)
	}
	catalog, err := ReadCatalog(t.Context(), cluster, topic)
	if err != nil || len(catalog.Orgs) != 2 || catalog.Orgs[0].Name != "Fifth" || len(catalog.TargetGroups) != 1 {
		t.Errorf("catalog is %+v, %v", catalog, err)
	}
}

func TestApplyCatalogRefusesTheWhole(t *testing.T) {
	cluster := startCluster(t)
	topic := consumer.DefaultTopics().Catalog
	seed := kafka.Message{Key: []byte("org:1"), Value: []byte(`{"orgId":1,"name":"One","timeZone":"UTC"}`)}
	writer := cluster.Writer(topic)
	if err := cmp.Or(writer.WriteMessages(t.Context(), seed), writer.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := parseCatalog([]byte(`
orgs:
  - {orgId: 2, name: Two, timeZone: UTC, parentOrgId: 1}
  - {orgId: 2, name: Two again, timeZone: Nowhere/City, parentOrgId: 77}
targetGroups: [{targetGroupId: 3, orgId: 2, colour: red}]
`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = ApplyCatalog(t.Context(), cluster, topic, file)
	for _, part := range []string{"targetGroups[0].colour: unknown field", "is there twice", `"Nowhere/City"`, "parentOrgId 77"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "parentOrgId 1 ") {
		t.Errorf("what the topic has is not seen: %v", err)
	}
	catalog, err := ReadCatalog(t.Context(), cluster, topic)
	if err != nil || len(catalog.Orgs) != 1 || catalog.Orgs[0].OrgID != leaderboard.OrgID(1) {
		t.Errorf("catalog is %+v, %v", catalog, err)
	}
}
