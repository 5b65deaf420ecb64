package auth

import (
	"fmt"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// LimitError says that too many attempts have failed.
type LimitError struct {
	// RetryAfter is when the next one may be made.
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("too many attempts have failed; the next may be made in %s", e.RetryAfter)
}

// Failed attempts that are left, and how fast they come back. An address has fewer
// than a client: to use up those of a client takes several addresses.
const (
	addressAttempts, clientAttempts = 10, 30
	addressRecovery, clientRecovery = 6 * time.Second, 2 * time.Second
	// tokenAttempts are more: to check a token is cheap, and a client whose tokens
	// end with their key is to be told so.
	tokenAttempts, tokenRecovery = 100, 100 * time.Millisecond
)

// How many addresses and clients are remembered; who was not seen for longest is forgotten.
const rememberedAddresses, rememberedClients = 1 << 16, 1 << 14

// attempts bounds how often one may try in vain to be a client.
//
// Attempts from an address count for the address and for the client. A client that
// signs in from an address has proven it: from there its attempts count for the two
// together, and nothing that happens elsewhere keeps it out.
type attempts struct {
	addresses, tokens *budgets[netip.Addr]
	clients           *budgets[string]
	proven            *budgets[origin]
}

// origin is a client at an address.
type origin struct {
	id   string
	addr netip.Addr
}

func newAttempts() *attempts {
	return &attempts{
		addresses: newBudgets[netip.Addr](rememberedAddresses, addressAttempts, addressRecovery),
		tokens:    newBudgets[netip.Addr](rememberedAddresses, tokenAttempts, tokenRecovery),
		clients:   newBudgets[string](rememberedClients, clientAttempts, clientRecovery),
		proven:    newBudgets[origin](rememberedAddresses, addressAttempts, addressRecovery),
	}
}

// check refuses while no attempt is left, except where the client has proven itself.
func (a *attempts) check(o origin, now time.Time) error {
	if a.proven.has(o) {
		return nil
	}
	return limited(max(a.addresses.wait(o.addr, now), a.clients.wait(o.id, now)))
}

// take uses an attempt up; undo gives it back after a success.
func (a *attempts) take(o origin, now time.Time) (undo func(), err error) {
	if a.proven.has(o) {
		return a.proven.take(o, now)
	}
	undoAddress, err := a.addresses.take(o.addr, now)
	if err != nil {
		return nil, err
	}
	undoClient, err := a.clients.take(o.id, now)
	if err != nil {
		undoAddress()
		return nil, err
	}
	return func() { undoAddress(); undoClient() }, nil
}

// succeeded remembers where the client has proven itself.
func (a *attempts) succeeded(o origin) {
	if !a.proven.has(o) {
		a.proven.of(o)
	}
}

func limited(wait time.Duration) error {
	if wait > 0 {
		return &LimitError{wait}
	}
	return nil
}

// budgets are a token bucket for each key.
type budgets[K comparable] struct {
	buckets  *lru.Cache[K, *rate.Limiter]
	burst    int
	recovery time.Duration
}

func newBudgets[K comparable](remembered, burst int, recovery time.Duration) *budgets[K] {
	buckets, err := lru.New[K, *rate.Limiter](remembered)
	if err != nil {
		panic(err) // a size that is not positive
	}
	return &budgets[K]{buckets, burst, recovery}
}

func (b *budgets[K]) has(key K) bool {
	_, has := b.buckets.Get(key)
	return has
}

// of is the key's bucket, full when it is new.
func (b *budgets[K]) of(key K) *rate.Limiter {
	if known, has := b.buckets.Get(key); has {
		return known
	}
	made := rate.NewLimiter(rate.Every(b.recovery), b.burst)
	if known, has, _ := b.buckets.PeekOrAdd(key, made); has {
		return known
	}
	return made
}

// wait is how long it takes until there is an attempt for the key.
func (b *budgets[K]) wait(key K, now time.Time) time.Duration {
	bucket, has := b.buckets.Get(key)
	if !has {
		return 0
	}
	return time.Duration((1 - min(1, bucket.TokensAt(now))) * float64(b.recovery))
}

func (b *budgets[K]) take(key K, now time.Time) (undo func(), err error) {
	reservation := b.of(key).ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return nil, &LimitError{wait}
	}
	return func() { reservation.CancelAt(now) }, nil
}
