package query

import (
	"encoding/json"
	"errors"
	"time"

	"leaderboard"
	"leaderboard/query/auth"
)

// generateToken gives a client a token for its key and secret.
func (s *Server) generateToken(c *call) ([]byte, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	var asked struct {
		Key    string `json:"key"`
		Secret string `json:"secret"`
	}
	switch {
	case json.Unmarshal(body, &asked) != nil:
		return nil, invalidInput("the body must be an object with the texts key and secret")
	case asked.Key == "":
		return nil, invalidInput("key is missing")
	case asked.Secret == "":
		return nil, invalidInput("secret is missing")
	}
	if c.client, err = s.guard.SignIn(c.ctx, c.Request, asked.Key, asked.Secret); err != nil {
		return nil, refusedCredentials(err)
	}
	if wait := c.client.Delay(s.now()); wait > 0 {
		return nil, tooManyRequests(wait)
	}
	token, err := s.guard.IssueToken(c.client)
	if err != nil {
		return nil, err
	}
	answer := appendString(nil, `{"data":{"accessToken":`, token)
	answer = appendNumber(answer, `,"ttlSeconds":`, int64(auth.TokenLifetime/time.Second))
	return append(answer, `},"errors":null}`...), nil
}

// refusedCredentials is what a caller is told whose credentials were not accepted.
func refusedCredentials(err error) error {
	if limit, ok := errors.AsType[*auth.LimitError](err); ok {
		return tooManyRequests(limit.RetryAfter)
	}
	if !errors.Is(err, auth.ErrRefused) {
		return unavailable()
	}
	told := leaderboard.Errorf(leaderboard.CodeUnauthenticated, "Authentication failed. Please check username and password")
	challenge := `Basic realm="leaderboard", charset="UTF-8"`
	if errors.Is(err, auth.ErrToken) {
		challenge = `Bearer realm="leaderboard", error="invalid_token"`
	}
	return &refusal{told, "WWW-Authenticate", challenge}
}

func tooManyRequests(wait time.Duration) error {
	return retryAfter(leaderboard.CodeTooManyRequests, "Too many requests, please slow down", wait)
}
