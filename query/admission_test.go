package query

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"leaderboard/query/auth"
)

func TestNoMoreRequestsAreAnsweredAtOnceThanMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
		defer client.Close()
		s, err := New(Config{Redis: client, Clients: new(auth.Clients), MaxConcurrent: 2})
		if err != nil {
			t.Fatal(err)
		}
		goOn := make(chan struct{})
		answer := s.limitConcurrency(func(*call) ([]byte, error) { <-goOn; return []byte("{}"), nil })
		handler := s.serve(route{pattern: "/", answer: answer})
		ask := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
			return w
		}
		statuses := make(chan int, 2)
		for range cap(statuses) {
			go func() { statuses <- ask().Code }()
		}
		synctest.Wait()
		if w := ask(); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("the third: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		if n := testutil.ToFloat64(s.metrics.overloads); n != 1 {
			t.Errorf("%v refusals counted", n)
		}
		close(goOn)
		for range cap(statuses) {
			if status := <-statuses; status != http.StatusOK {
				t.Errorf("one that was being answered: %d", status)
			}
		}
		if w := ask(); w.Code != http.StatusOK {
			t.Errorf("once there is room again: %d", w.Code)
		}
	})
}
