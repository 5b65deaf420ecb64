package auth

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func writeClients(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClientsSurviveTheirFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	var clients Clients
	if err := clients.Add("demo", 50711, "s3cret"); err != nil {
		t.Fatal(err)
	}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := clients.Add("list", 50712, strings.Repeat("x", 72), AccessTop); err != nil {
		t.Fatal(err)
	}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadClients(path)
	if err != nil {
		t.Fatal(err)
	}
	demo, list := loaded.clients[0], loaded.clients[1]
	if demo.ID != "demo" || demo.OrgID != 50711 || !slices.Equal(demo.Access, []Access{"top", "rank", "enrichment"}) {
		t.Errorf("demo is %+v", demo)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(demo.SecretHash), []byte("s3cret")); err != nil {
		t.Errorf("the hash is not of the secret: %v", err)
	}
	if list.ID != "list" || !slices.Equal(list.Access, []Access{"top"}) {
		t.Errorf("list is %+v", list)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(files) != 1 {
		t.Errorf("besides the file there is %v", files)
	}
}

func TestSaveLeavesNothingBehindWhenItFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := new(Clients).Save(path); err == nil {
		t.Error("a directory was replaced")
	}
	if files, _ := filepath.Glob(path + ".*"); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestAddRefuses(t *testing.T) {
	var clients Clients
	if err := clients.Add("demo", 1, "secret"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"known id":       {clients.Add("demo", 2, "other"), `the id "demo" is taken`},
		"empty id":       {clients.Add("", 1, "x"), `the id "" is empty or has a colon in it`},
		"colon in id":    {clients.Add("a:b", 1, "x"), `the id "a:b" is empty or has a colon in it`},
		"no org":         {clients.Add("a", 0, "x"), `the orgId of "a" is missing or not positive`},
		"empty secret":   {clients.Add("a", 1, ""), `the secret is empty`},
		"long secret":    {clients.Add("a", 1, strings.Repeat("x", 73)), `the secret has 73 bytes, more than the 72 that are allowed`},
		"long id":        {clients.Add(strings.Repeat("x", 257), 1, "x"), `an id has 257 bytes, more than the 256 that are allowed`},
		"unknown access": {clients.Add("a", 1, "x", "write"), `the access "write" of "a" is not one of top, rank, enrichment`},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	if len(clients.clients) != 1 {
		t.Errorf("%d clients", len(clients.clients))
	}
}

func TestLoadClientsNamesFileAndReason(t *testing.T) {
	const hash = `$2a$04$0123456789012345678901uVxDnPoyWPSXTpFJ2bN0Ey8w6yv4AUu`
	for content, reason := range map[string]string{
		`{`:                      "unexpected EOF",
		`{"clients":[]} x`:       "something after its end",
		`{"users":[]}`:           `unknown field "users"`,
		`{"clients":[{"id":1}]}`: "cannot unmarshal number",
		`{"clients":[{"id":"a","orgId":1,"secretHash":"plain"}]}`:                                                                                 `client 1: the secretHash of "a" is not a bcrypt hash`,
		`{"clients":[{"id":"a","orgId":1,"secretHash":"` + hash + `"},{"id":"a","orgId":1,"secretHash":"` + hash + `"}]}`:                         `client 2: the id "a" is taken`,
		`{"clients":[{"id":"a","orgId":1,"secretHash":"` + hash + `","previousSecret":{"secretHash":"` + hash + `"}}]}`:                           `client 1: the previousSecret of "a"`,
		`{"clients":[{"id":"a","orgId":1,"secretHash":"` + hash + `","previousSecret":{"secretHash":"plain","expires":"2024-06-24T12:00:00Z"}}]}`: `client 1: the previousSecret of "a"`,
		`{"clients":[{"id":"a","orgId":1,"secretHash":"` + hash + `","access":["everything"]}]}`:                                                  `the access "everything"`,
		`{"clients":[{"id":"a","orgId":1,"secretHash":"` + hash + `"},{"id":"b","orgId":-1,"secretHash":"` + hash + `"}]}`:                        `client 2: the orgId of "b"`,
	} {
		path := writeClients(t, content)
		_, err := LoadClients(path)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", content, err, reason)
		}
	}
	absent := filepath.Join(t.TempDir(), "absent.json")
	if _, err := LoadClients(absent); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), absent) {
		t.Errorf("absent file: %v", err)
	}
}

func TestAccessLeftOutIsAllAndEmptyIsNone(t *testing.T) {
	const hash = `$2a$04$0123456789012345678901uVxDnPoyWPSXTpFJ2bN0Ey8w6yv4AUu`
	clients, err := LoadClients(writeClients(t, `{"clients":[{"id":"a","orgId":1,"secretHash":"`+hash+`"},{"id":"b","orgId":1,"secretHash":"`+hash+`","access":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := clients.clients[0], clients.clients[1]; len(a.Access) != 3 || len(b.Access) != 0 {
		t.Errorf("a has %v, b has %v", a.Access, b.Access)
	}
}

func TestRotateKeepsTwoSecrets(t *testing.T) {
	clients := twoClients(t)
	first := clients.clients[0].SecretHash
	if err := clients.Rotate("a", "second", noon, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	second := clients.clients[0].SecretHash
	if p := clients.clients[0].Previous; p == nil || p.SecretHash != first || !p.Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("the previous secret is %+v", p)
	}
	if err := clients.Rotate("a", "third", noon, noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if p := clients.clients[0].Previous; p == nil || p.SecretHash != second || !p.Expires.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("rotated twice, the previous secret is %+v", p)
	}
	path := filepath.Join(t.TempDir(), "clients.json")
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadClients(path)
	if err != nil || !reflect.DeepEqual(loaded, clients) {
		t.Errorf("the file has %+v, not %+v, %v", loaded, clients, err)
	}
	if err := clients.Rotate("a", "fourth", noon, noon); err != nil || clients.clients[0].Previous != nil {
		t.Errorf("without grace the previous secret is %+v, %v", clients.clients[0].Previous, err)
	}
	if err := clients.Rotate("c", "x", noon, noon); err == nil || err.Error() != `there is no client "c"` {
		t.Errorf("rotate an unknown client: %v", err)
	}
	before := clients.clients[0]
	if err := clients.Rotate("a", "", noon, noon.Add(time.Hour)); err == nil || !reflect.DeepEqual(clients.clients[0], before) {
		t.Errorf("an empty secret: %v, %+v", err, clients.clients[0])
	}
}

func TestRemoveTakesOneAway(t *testing.T) {
	clients := twoClients(t)
	if err := clients.Remove("a"); err != nil || len(clients.clients) != 1 || clients.clients[0].ID != "b" {
		t.Errorf("left are %+v, %v", clients.clients, err)
	}
	if err := clients.Remove("a"); err == nil || err.Error() != `there is no client "a"` {
		t.Errorf("again: %v", err)
	}
}
