package test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"leaderboard"
)

// expectGolden compares byte for byte with a file, but for the file's indentation.
func expectGolden(t *testing.T, path string, res queryResponse) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, file); err != nil {
		t.Fatal(err)
	}
	if res.status != http.StatusOK || res.body != want.String() {
		t.Errorf("status %d\n got %s\nwant %s", res.status, res.body, &want)
	}
	if got := res.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

// seedDocumentedBoard is the board of the documented samples: three users at
// 21000 lead, and user 381329847 is number 1771 of 4527.
func seedDocumentedBoard(s *queryService) {
	entries := []seedEntry{
		{381333386, 21000_000, at("2022-11-29T13:48:28+05:30")},
		{381329844, 21000_000, at("2022-11-25T21:44:40+05:30")},
		{381332324, 21000_000, at("2022-11-29T00:14:48+05:30")},
		{381329847, 3000_000, at("2022-11-25T21:45:05+05:30")},
	}
	for i := range int64(1767) {
		entries = append(entries, seedEntry{1000 + i, 3000_001 + i, at("2022-11-10T10:00:00Z")})
	}
	for i := range int64(2756) {
		entries = append(entries, seedEntry{5000 + i, 2999_999 - i, at("2022-11-10T10:00:00Z")})
	}
	board := leaderboard.Board{Org: 50711, Group: 232, Rule: 366, Period: 243}
	s.board(board, leaderboard.Descending, at("2024-06-24T12:07:00Z"), entries...)
	s.profile(50711, 381329844, "gender", "Male", "mobile", "918828069049", "last_name", "Emf_lname_918828069049", "first_name", "Emf_fname_918828069049", "email", "tomswayer@auto.com")
	s.profile(50711, 381332324, "gender", "Male", "mobile", "918969294257", "last_name", "Emf_lname_918969294257", "first_name", "Emf_fname_918969294257", "email", "tomswayer2@auto.com")
	s.profile(50711, 381333386, "gender", "Male", "mobile", "918424528743", "last_name", "Emf_lname_918424528743", "first_name", "Emf_fname_918424528743", "email", "tomswayer3@auto.com")
	s.profile(50711, 381329847, "mobile", "919988221100", "email", "tom.sawyer@capillarytech.com")
}

// expectDocumentedSamples sends the documented calls under a prefix.
func expectDocumentedSamples(s *queryService, base string) {
	s.t.Helper()
	items := `[{"orgId":50711,"targetGroupId":232,"targetRuleId":365,"periodId":243},{"orgId":50711,"targetGroupId":232,"targetRuleId":366,"periodId":243}]`
	expectGolden(s.t, "testdata/golden-top.json", s.ask(queryRequest{path: base + topPath + "232?targetId=366&periodId=243&pageSize=3"}))
	expectGolden(s.t, "testdata/golden-rank.json", s.ask(queryRequest{path: base + rankPath + "381329847", body: items}))
}

func TestQueryDocumentedSamples(t *testing.T) {
	s := startQueryService(t)
	seedDocumentedBoard(s)
	expectDocumentedSamples(s, "")
	expectDocumentedSamples(s, prefix)
}
