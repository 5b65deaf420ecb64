package auth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
)

const (
	// keysInterval is the time between two looks at an issuer's keys, and
	// keysRetryInterval the time after one that failed.
	keysInterval, keysRetryInterval = 5 * time.Minute, 30 * time.Second
	// keysPause is the least time between two looks, whatever keys tokens name.
	keysPause      = 10 * time.Second
	keysTimeout    = 5 * time.Second
	maxKeySetBytes = 1 << 20
	minRSABits     = 2048
)

// keySet is the public keys that an issuer publishes (JWKS, RFC 7517). Those that
// were read last stay in use while they cannot be read again.
type keySet struct {
	url    string
	client *http.Client
	log    *slog.Logger
	// current is 1 while the last look has succeeded.
	current prometheus.Gauge
	now     func() time.Time

	keys    atomic.Pointer[[]jose.JSONWebKey]
	looking singleflight.Group
	// looked is when the last look began; only the one that looks uses it.
	looked time.Time
}

func newKeySet(url string, log *slog.Logger, current prometheus.Gauge) *keySet {
	return &keySet{
		url: url,
		client: &http.Client{
			Timeout: keysTimeout,
			// A redirect could lead away from https.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		log:     log,
		current: current,
		now:     time.Now,
	}
}

// run looks again and again until ctx ends.
func (s *keySet) run(ctx context.Context) {
	for {
		wait := keysInterval
		if err := s.look(ctx); err != nil {
			wait = keysRetryInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// errKeysUnknown says that nothing can be said about a token yet.
var errKeysUnknown = errors.New("the issuer's keys could not be read yet")

// find is the key of that id for that algorithm. An unknown id is looked for again,
// once in a while.
func (s *keySet) find(ctx context.Context, id, algorithm string) (*jose.JSONWebKey, error) {
	if key := s.known(id, algorithm); key != nil {
		return key, nil
	}
	_ = s.look(ctx) // it was logged; the keys from before are still there
	if key := s.known(id, algorithm); key != nil {
		return key, nil
	}
	if s.keys.Load() == nil {
		return nil, errKeysUnknown
	}
	return nil, errForged
}

func (s *keySet) known(id, algorithm string) *jose.JSONWebKey {
	keys := s.keys.Load()
	if keys == nil {
		return nil
	}
	for i := range *keys {
		if key := &(*keys)[i]; key.KeyID == id && (key.Algorithm == "" || key.Algorithm == algorithm) {
			return key
		}
	}
	return nil
}

// look reads the keys, unless that was done a moment ago. All who come meanwhile
// wait for the same look, which goes on when one of them goes away.
func (s *keySet) look(ctx context.Context) error {
	looked := s.looking.DoChan("", func() (any, error) {
		if s.now().Sub(s.looked) < keysPause {
			return nil, nil
		}
		s.looked = s.now()
		return nil, s.fetch(context.WithoutCancel(ctx))
	})
	select {
	case result := <-looked:
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *keySet) fetch(ctx context.Context) error {
	keys, err := s.read(ctx)
	if err != nil {
		s.current.Set(0)
		s.log.Warn("an issuer's keys cannot be read; those from before stay in use", "error", err)
		return err
	}
	s.current.Set(1)
	s.keys.Store(&keys)
	return nil
}

func (s *keySet) read(ctx context.Context) ([]jose.JSONWebKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", s.url, response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySetBytes {
		return nil, fmt.Errorf("%s answered with more than %d bytes", s.url, maxKeySetBytes)
	}
	return parseKeySet(data)
}

// parseKeySet passes over keys that are of no use here, as the RFC asks for.
func parseKeySet(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("the key set is not valid: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(text) == nil && isVerifier(&key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no public key to verify with")
	}
	return keys, nil
}

func isVerifier(key *jose.JSONWebKey) bool {
	if rsaKey, ok := key.Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSABits {
		return false
	}
	return key.IsPublic() && key.Valid() && key.KeyID != "" && (key.Use == "" || key.Use == "sig")
}
