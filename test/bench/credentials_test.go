package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Contenders of the measurement of credentials.
const (
	withSecret = "Basic"
	withToken  = "token"
)

// credentials measures the same question by a client that sends its secret and by
// one that sends a token for it.
func (l *lab) credentials(b *testing.B) {
	s := l.services()
	tokens := &api{client: s.query.client, authorization: "Bearer " + s.query.token(b)}
	hammer := func(service *api) func() readings {
		return func() readings { return service.hammer(b, connections, l.form.queries, oneRank) }
	}
	r := &race{rounds: l.form.rounds, contenders: []contender{{withSecret, hammer(s.query)}, {withToken, hammer(tokens)}}}
	r.run()
	measured.compare(b, r, p50, withSecret, withToken, atMost(1.2))
	measured.compare(b, r, p99, withSecret, withToken, goal{})
	measured.compare(b, r, requestsPerSecond, withSecret, withToken, goal{})
}

// oneRank asks for a user's rank on the board of a million.
func oneRank(random *rand.Rand) request { return rankRequest(anyUser(random), million.boards) }

// token is one for the client's secret.
func (a *api) token(b *testing.B) string {
	b.Helper()
	body, err := a.exchange().ask(request{path: "/v3/oauth/token/generate", body: fmt.Sprintf(`{"key":%q,"secret":%q}`, benchID, benchSecret)})
	var answer struct{ Data struct{ AccessToken string } }
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil {
		b.Fatalf("get a token: %v", err)
	}
	return answer.Data.AccessToken
}
