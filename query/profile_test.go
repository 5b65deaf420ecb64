package query

import (
	"slices"
	"testing"

	"leaderboard"
)

// Whatever the record, the fields are those that the whole profile has.
func FuzzProfileIsThatOfTheVocabulary(f *testing.F) {
	for _, record := range []string{
		`{"orgId":1,"userId":2,"attributes":{"mobile":"91","tier":"gold","more":"x"}}`,
		`{"ORGID":1,"Userid":2,"ATTRIBUTES":{"mobile":"91","Tier":"gold"}}`,
		`{"or\u0067Id":1,"userId":2,"attributes":{"\u0074ier":"\ud83d\ude00 \ud800 \u0000"}}`,
		`{"orgId":1,"userId":2,"attributes":{"mobile":null,"tier":null}}`,
		`{"orgId":1,"orgId":null,"userId":-2,"userId":2,"attributes":{"tier":"a"},"attributes":{"mobile":"b"}}`,
		`{"orgId":1,"userId":2,"attributes":{"tier":"a"},"attributes":null,"other":[{}]}`,
		`{"orgId":1,"userId":2,"attributes":{"tier":"a","tier":"b"}} `,
		"{\"orgId\":1,\"userId\":2,\"attributes\":{\"tier\":\"\xff\u2028\",\"\xff\":\"\"}}",
		`{"orgId":1,"userId":2,"attributes":{"other":5}}`,
		`{"orgId":1,"userId":2,"attributes":{"tier":{}}}`,
		`{"orgId":1,"userId":2,"attributes":[]}`,
		`{"orgId":1.0,"userId":2}`, `{"orgId":"1","userId":2}`, `{"orgId":1,"userId":9223372036854775808}`,
		`{"orgId":0,"userId":2}`, `{"orgId":1}`, `{"orgId":1,"userId":2}`, `{"orgId":1,"userId":2}}`, `{"orgId":1,"userId":2`,
		`null`, `[]`, `5`, ``, `{"orgId":1,"userId":2,}`,
	} {
		f.Add(record)
	}
	wanted := newFields([]string{"tier", "mobile", "\ufffd"})
	f.Fuzz(func(t *testing.T, record string) {
		profile, wantErr := leaderboard.ParseProfile([]byte(record))
		want := slices.Clone(wanted.missing)
		for i, name := range wanted.names {
			if value, ok := profile.Attributes[name]; ok {
				want[i] = value
			}
		}
		got, err := wanted.profile(record)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err == nil && !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
