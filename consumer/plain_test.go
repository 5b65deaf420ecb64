package consumer

import (
	"slices"
	"strings"
	"testing"

	"leaderboard/consumer/decodetest"
)

type member struct{ name, raw string }

// membersOf are those that a function visits.
func membersOf(each func(visit func(name, raw []byte))) []member {
	var members []member
	each(func(name, raw []byte) { members = append(members, member{string(name), string(raw)}) })
	return members
}

// FuzzPlain checks that what is read as plain JSON is JSON to jsontext, with the
// same members.
func FuzzPlain(f *testing.F) {
	for _, seed := range append([]string{
		decodetest.Native, decodetest.Wrapped, decodetest.Flat, `{}`, `{ "a" : [ ] , "b":[1 ,-0.5e+3,{"c":[true,false,null]}]}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`,
		`{"a":nul}`, `{"a":"b}`, `{"a":"\u00e9"}`, `{"a":"é"}`, "{\"a\":\"\x7f\"}", "{\"a\":\"\n\"}", `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":[1,]}`,
		`{"a":1 2}`, `{"a":1}]`, ` {" a ":1} `, "\x00", "{\"a\":1}\x00", "{\"a\":\x00}",
	}, deep(plainDepth), deep(plainDepth+1)) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var isPlain bool
		got := membersOf(func(visit func(name, raw []byte)) { isPlain = eachPlainMember(text, visit) })
		if !isPlain {
			return
		}
		var err error
		want := membersOf(func(visit func(name, raw []byte)) { err = eachAnyMember(text, visit) })
		if err != nil {
			t.Fatalf("it is read as plain, but %v", err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("its members are %q, want %q", got, want)
		}
	})
}

// deep is an object with so many values in each other below it.
func deep(levels int) string {
	return `{"a":` + strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) + `}`
}

// TestDocumentedFormsArePlain checks that what is published gets the fast way.
func TestDocumentedFormsArePlain(t *testing.T) {
	for _, text := range []string{decodetest.Native, decodetest.Wrapped, decodetest.Flat, `{}`, deep(plainDepth)} {
		if !eachPlainMember([]byte(text), func(_, _ []byte) {}) {
			t.Errorf("%s is not plain", text)
		}
	}
	for _, text := range []string{deep(plainDepth + 1), `{"a":"é"}`, `{"a":"\t"}`} {
		if eachPlainMember([]byte(text), func(_, _ []byte) {}) {
			t.Errorf("%s is plain", text)
		}
	}
}
