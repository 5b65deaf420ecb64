package query

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/redis/go-redis/v9"

	"leaderboard/query/auth"
)

// BenchmarkCredentials is what a request costs up to the first look at the catalog,
// which is not there: credentials are most of it.
func BenchmarkCredentials(b *testing.B) {
	clients := new(auth.Clients)
	if err := clients.Add("bench", 50711, "a secret of the bench"); err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Redis: redis.NewClient(&redis.Options{}), Clients: clients})
	if err != nil {
		b.Fatal(err)
	}
	request := func() *http.Request {
		return httptest.NewRequest(http.MethodGet, "/v3.1/leaderboards/user/1", http.NoBody)
	}
	basic := request()
	basic.SetBasicAuth("bench", "a secret of the bench")
	client, err := s.guard.Authenticate(b.Context(), basic)
	if err != nil {
		b.Fatal(err)
	}
	token, err := s.guard.IssueToken(client)
	if err != nil {
		b.Fatal(err)
	}
	bearer := request()
	bearer.Header.Set("Authorization", "Bearer "+token)
	handler := s.Handler()
	for _, c := range []struct {
		name    string
		request *http.Request
	}{{"basic", basic}, {"token", bearer}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, c.request)
				if w.Code != http.StatusServiceUnavailable {
					b.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
		})
	}
}
