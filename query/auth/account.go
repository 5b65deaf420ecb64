package auth

import (
	"context"
	"crypto/hmac"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// account is a client and what the guard remembers of it.
type account struct {
	Caller
	secrets []*secret
	// hashing lets one request at a time run bcrypt for this client, so that
	// neither a flood of wrong secrets nor a cold start takes all processors.
	hashing chan struct{}
}

// secret is one that a client may sign in with.
type secret struct {
	hash string
	// expires is zero for a secret that does not.
	expires time.Time
	// proof is nil until bcrypt has accepted the secret.
	proof atomic.Pointer[proof]
}

// proof is the keyed digest of a secret that bcrypt has accepted: bcrypt takes tens
// of milliseconds, far more than an answer.
type proof struct {
	digest []byte
	at     time.Time
}

// proofLifetime is how long bcrypt is not asked again.
const proofLifetime = time.Hour

// newAccount keeps what its predecessor, nil for none, remembers and is still true.
func newAccount(client Client, before *account, perSecond float64) *account {
	a := &account{
		Caller:  Caller{ID: client.ID, OrgID: client.OrgID, Access: client.Access, limiter: newLimiter(perSecond)},
		secrets: []*secret{{hash: client.SecretHash}},
		hashing: make(chan struct{}, 1),
	}
	if p := client.Previous; p != nil {
		a.secrets = append(a.secrets, &secret{hash: p.SecretHash, expires: p.Expires})
	}
	if before == nil {
		return a
	}
	a.limiter, a.hashing = before.limiter, before.hashing
	for _, s := range a.secrets {
		for _, known := range before.secrets {
			if s.hash == known.hash {
				s.proof.Store(known.proof.Load())
			}
		}
	}
	return a
}

// proofOf is what is remembered of the secret of that digest, nil for nothing.
func (a *account) proofOf(digest []byte, now time.Time) *proof {
	for _, s := range a.secrets {
		if p := s.proof.Load(); p != nil && s.isAccepted(now) && hmac.Equal(p.digest, digest) {
			return p
		}
	}
	return nil
}

// isProven tells whether bcrypt has accepted the secret of that digest lately.
func (a *account) isProven(digest []byte, now time.Time) bool {
	p := a.proofOf(digest, now)
	return p != nil && now.Sub(p.at) < proofLifetime
}

// prove asks bcrypt whether the text is a secret of the client, one request at a
// time. It takes an attempt before, unless bcrypt has accepted the text some time
// ago: whoever wears the attempts out is not to keep out the client itself.
func (a *account) prove(ctx context.Context, text string, digest []byte, now time.Time, take func() (undo func(), err error)) error {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.isProven(digest, now) {
		return nil
	}
	undo := func() {}
	if a.proofOf(digest, now) == nil {
		var err error
		if undo, err = take(); err != nil {
			return err
		}
	}
	for _, s := range a.secrets {
		if s.isAccepted(now) && bcrypt.CompareHashAndPassword([]byte(s.hash), []byte(text)) == nil {
			s.proof.Store(&proof{digest, now})
			undo()
			return nil
		}
	}
	return ErrRefused
}

func (s *secret) isAccepted(now time.Time) bool { return s.expires.IsZero() || now.Before(s.expires) }
