package documents

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"leaderboard"
	"leaderboard/consumer"
	"leaderboard/consumer/decodetest"
)

// judge is a schema of docs/events, and what the programs say of a record that it is
// about.
type judge struct {
	file string
	// decide is the truth: nil for a record that is taken.
	decide func(record []byte) error
}

func decodeActivity(record []byte) error {
	_, err := consumer.DecodeActivity(record, decodetest.Published)
	return err
}

// keyed judges a record of the catalog under the key that it would have.
func keyed(key func(record []byte) (string, error)) func([]byte) error {
	return func(record []byte) error {
		name, err := key(record)
		if err != nil {
			return err
		}
		return leaderboard.NewCatalog().Set(name, record)
	}
}

var judges = []judge{
	{"activity", decodeActivity},
	{"target-achieved-value-updated", decodeActivity},
	{"organisation", keyed(func(record []byte) (string, error) {
		var o leaderboard.Org
		err := json.Unmarshal(record, &o)
		return o.Key(), err
	})},
	{"target-group", keyed(func(record []byte) (string, error) {
		var g leaderboard.TargetGroup
		err := json.Unmarshal(record, &g)
		return g.Key(), err
	})},
	{"profile", func(record []byte) error {
		_, err := leaderboard.ParseProfile(record)
		return err
	}},
	{"dead-letter-headers", func(record []byte) error {
		var headers map[string]string
		if err := json.Unmarshal(record, &headers); err != nil {
			return err
		}
		if !slices.Contains(consumer.Reasons, consumer.Reason(headers[consumer.HeaderReason])) {
			return errors.New("the reason is none")
		}
		return nil
	}},
}

func compileSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile(filepath.Join(root, "docs", "events", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if schema.DraftVersion != 2020 {
		t.Errorf("%s is of the draft %d", name, schema.DraftVersion)
	}
	return schema
}

// validate holds a record against a schema, without the spaces around names that
// the programs tolerate.
func validate(schema *jsonschema.Schema, record []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(record))
	if err != nil {
		return err
	}
	return schema.Validate(trimNames(value))
}

func trimNames(value any) any {
	object, is := value.(map[string]any)
	if !is {
		return value
	}
	trimmed := map[string]any{}
	for name, member := range object {
		trimmed[strings.TrimSpace(name)] = trimNames(member)
	}
	return trimmed
}

// beyondSchemas are records that are refused for what JSON Schema cannot tell: bytes
// that are not UTF-8, how a number is written and what one in a string amounts to,
// the moment that a string names, and when the record was published.
var beyondSchemas = []string{"\xff\xfe", `: 1e3,`, `"-9e99"`, `1969-12-31`, `1719317220001`}

// TestSchemasJudgeAsTheDecoder holds the schemas of the activities topic against all
// records of the decoder's tests.
func TestSchemasJudgeAsTheDecoder(t *testing.T) {
	activity, notification := compileSchema(t, "activity"), compileSchema(t, "target-achieved-value-updated")
	valid := func(record string) error {
		err := validate(activity, []byte(record))
		if err != nil && validate(notification, []byte(record)) == nil {
			return nil
		}
		return err
	}
	for _, r := range decodetest.AcceptedRecords() {
		if err := valid(r.Record); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	beyond := 0
	for _, r := range decodetest.RejectedRecords() {
		isBeyond := slices.ContainsFunc(beyondSchemas, func(part string) bool { return strings.Contains(r.Record, part) })
		if isBeyond {
			beyond++
		}
		if (valid(r.Record) == nil) != isBeyond {
			t.Errorf("the schemas are mistaken about a record that is %s: %s", r.Reason, r.Record)
		}
	}
	if want := 9; beyond != want {
		t.Errorf("%d records are beyond the schemas, want %d", beyond, want)
	}
}

// TestExamplesOfSchemas holds every example of every schema against the schema and
// the programs.
func TestExamplesOfSchemas(t *testing.T) {
	for _, j := range judges {
		schema := compileSchema(t, j.file)
		if len(schema.Examples) == 0 {
			t.Errorf("%s has no examples", j.file)
		}
		for _, example := range schema.Examples {
			record, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(schema.Validate(example), j.decide(record)); err != nil {
				t.Errorf("%s: %s: %v", j.file, record, err)
			}
		}
	}
}

// TestExamplesOfEvents holds every record that docs/events.md shows against the schema
// of its kind and the programs.
func TestExamplesOfEvents(t *testing.T) {
	kinds := map[string][]string{
		"Activities": {"activity"}, "The notification": {"target-achieved-value-updated"}, "Profiles": {"profile"},
		"The catalog": {"organisation", "target-group"},
	}
	shown := map[string]int{}
	for _, b := range readDocument(t, "docs/events.md").blocks {
		if b.language != "json" {
			continue
		}
		var taken []string
		for _, j := range judges {
			if slices.Contains(kinds[b.section], j.file) && validate(compileSchema(t, j.file), []byte(b.text)) == nil && j.decide([]byte(b.text)) == nil {
				taken = append(taken, j.file)
			}
		}
		if len(taken) != 1 {
			t.Errorf("under %q this is of the kinds %v: %s", b.section, taken, b.text)
			continue
		}
		shown[taken[0]]++
	}
	if want := map[string]int{"activity": 6, "target-achieved-value-updated": 2, "profile": 1, "organisation": 1, "target-group": 1}; !maps.Equal(shown, want) {
		t.Errorf("shown are %v, want %v", shown, want)
	}
}

// TestSchemasRefuseWhatTheProgramsRefuse holds what is made of the examples by one
// change against the schema and the programs.
func TestSchemasRefuseWhatTheProgramsRefuse(t *testing.T) {
	for file, changes := range map[string][][2]string{
		"organisation": {
			{`"orgId":50711`, `"orgId":0`},
			{`"orgId":50711`, `"orgId":"50711"`},
			{`"orgId":50711`, `"x":1`},
			{`"Asia/Kolkata"`, `""`},
			{`"Asia/Kolkata"`, `"Local"`},
			{`"timeZone"`, `"x"`},
			{`"name":"Acme"`, `"name":5`},
			{`"gender"`, `"birthday"`},
			{`"gender"`, `"email"`},
			{`"gender"`, `""`},
			{`:true`, `:"yes"`},
			{`"parentOrgId":50700`, `"parentOrgId":-1`},
		},
		"target-group": {
			{`"targetGroupId":232`, `"targetGroupId":-1`},
			{`"targetGroupId"`, `"x"`},
			{`"orgId"`, `"x"`},
			{`"sum"`, `"average"`},
			{`"desc"`, `"down"`},
			{`"targetRuleId":366`, `"targetRuleId":0`},
			{`"targetRuleId"`, `"x"`},
			{`"periodId":243`, `"periodId":"243"`},
			{`"periodId"`, `"x"`},
			{`"2022-11-01T00:00:00+05:30"`, `"2022-11-01"`},
			{`"end"`, `"x"`},
			{`"active":true`, `"active":1`},
		},
		"profile": {
			{`"orgId"`, `"x"`}, {`"userId":381329844`, `"userId":0`}, {`"Tom"`, `5`}, {`"attributes":{`, `"attributes":[],"x":{`},
		},
		"dead-letter-headers": {{`"invalid_field"`, `"bad"`}, {`"dl.reason"`, `"x"`}},
	} {
		j := judges[slices.IndexFunc(judges, func(j judge) bool { return j.file == file })]
		schema := compileSchema(t, file)
		example, err := json.Marshal(schema.Examples[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			record := strings.Replace(string(example), change[0], change[1], 1)
			if record == string(example) {
				t.Errorf("%s: %q is not in the example %s", file, change[0], example)
			}
			if validate(schema, []byte(record)) == nil {
				t.Errorf("%s: the schema takes %s", file, record)
			}
			if j.decide([]byte(record)) == nil {
				t.Errorf("%s: the programs take %s", file, record)
			}
		}
	}
}
