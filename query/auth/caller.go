package auth

import (
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"leaderboard"
)

// Caller is who sent a request. The nil Caller is one that is not known.
type Caller struct {
	// ID is the client's, or the issuer that vouches for the caller.
	ID string
	// OrgID is the organisation that the caller belongs to.
	OrgID leaderboard.OrgID
	// Access is what the caller may do.
	Access []Access

	limiter *rate.Limiter
}

// May tells whether the caller is granted that access.
func (c *Caller) May(access Access) bool { return slices.Contains(c.Access, access) }

// Delay is how long the caller has to wait before its next request; 0 lets this one pass.
func (c *Caller) Delay(now time.Time) time.Duration {
	if c.limiter == nil {
		return 0
	}
	reservation := c.limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// Name is the caller's ID for the log, empty of a caller that is not known.
func (c *Caller) Name() string {
	if c == nil {
		return ""
	}
	return c.ID
}

// newLimiter allows so many requests a second; nil, for 0, allows all.
func newLimiter(perSecond float64) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(max(1, math.Ceil(perSecond))))
}
