package query

import (
	"time"

	"leaderboard"
)

// limitConcurrency refuses a request while as many as there may be are being
// answered. It comes before whatever costs anything: who is refused at once can come
// back, who has to wait in a queue that grows gets nothing done.
func (s *Server) limitConcurrency(next endpoint) endpoint {
	return func(c *call) ([]byte, error) {
		select {
		case s.places <- struct{}{}:
			defer func() { <-s.places }()
			return next(c)
		default:
			s.metrics.overloads.Inc()
			return nil, retryAfter(leaderboard.CodeUnavailable, "Too many requests are being answered at the moment, please try again shortly", time.Second)
		}
	}
}
