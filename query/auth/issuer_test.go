package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leaderboard"
)

// provider is an outside issuer with a key set that tests change.
type provider struct {
	*httptest.Server
	rsa   *rsa.PrivateKey
	ec    *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
	asked atomic.Int64
	// answer is what is sent for the keys.
	answer atomic.Pointer[http.HandlerFunc]
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	var errs [3]error
	p.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	p.ec, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, p.ed, errs[2] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	p.publish(p.rsaKey("rsa"), p.ecKey("ec"), p.edKey("ed"))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func number(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

func (p *provider) rsaKey(kid string) object {
	return object{"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": number(p.rsa.N), "e": number(big.NewInt(int64(p.rsa.E)))}
}

func (p *provider) ecKey(kid string) object {
	point, _ := p.ec.PublicKey.Bytes() // 4, x, y
	return object{
		"kty": "EC", "kid": kid, "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
}

func (p *provider) edKey(kid string) object {
	return object{"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(p.ed.Public().(ed25519.PublicKey))}
}

// serve makes this the answer to who asks for the keys.
func (p *provider) serve(answer http.HandlerFunc) { p.answer.Store(&answer) }

func (p *provider) publish(keys ...object) {
	text, _ := json.Marshal(map[string]any{"keys": keys})
	p.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
}

func (p *provider) signRSA(input []byte) []byte {
	digest := sha256.Sum256(input)
	signature, _ := rsa.SignPKCS1v15(rand.Reader, p.rsa, crypto.SHA256, digest[:])
	return signature
}

func (p *provider) signEC(input []byte) []byte {
	digest := sha256.Sum256(input)
	r, s, _ := ecdsa.Sign(rand.Reader, p.ec, digest[:])
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

const issuerName = "https://id.example.com/"

// issuerGuard trusts the provider for organisation 50711 and the ranked list.
func issuerGuard(t *testing.T, p *provider) *testGuard {
	t.Helper()
	return newTestGuard(t, Config{Clients: twoClients(t), Issuers: []Issuer{{
		Issuer: issuerName, JWKS: p.URL, Audience: "boards", Orgs: []leaderboard.OrgID{50711}, Access: []Access{AccessTop, AccessEnrichment},
	}}})
}

var (
	issuedHeader = object{"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}
	issuedClaims = object{
		"iss": issuerName, "sub": "someone", "aud": "boards", "org_id": 50711, "scope": "openid leaderboard:top leaderboard:rank",
		"iat": noon.Unix(), "nbf": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
)

func TestTokenOfAnIssuer(t *testing.T) {
	p := newProvider(t)
	g := issuerGuard(t, p)
	for name, token := range map[string]string{
		"RS256":               signed(t, issuedHeader, issuedClaims, p.signRSA),
		"ES256":               signed(t, object{"alg": "ES256", "kid": "ec"}, issuedClaims, p.signEC),
		"EdDSA":               signed(t, object{"alg": "EdDSA", "kid": "ed"}, issuedClaims, signedBy(p.ed)),
		"org_id in a string":  signed(t, issuedHeader, issuedClaims.with(object{"org_id": "50711"}), p.signRSA),
		"one of its audience": signed(t, issuedHeader, issuedClaims.with(object{"aud": []string{"others", "boards"}}), p.signRSA),
	} {
		r := request(home)
		r.Header.Set("Authorization", "Bearer "+token)
		caller, err := g.Authenticate(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// What the token asks for and the issuer may grant, no more.
		if caller.OrgID != 50711 || !caller.May(AccessTop) || caller.May(AccessRank) || caller.May(AccessEnrichment) || caller.Name() != issuerName {
			t.Errorf("%s: %+v", name, caller)
		}
	}
	r := request(home)
	r.Header.Set(TokenHeader, signed(t, issuedHeader, issuedClaims.with(object{"scope": nil}), p.signRSA))
	if caller, err := g.Authenticate(t.Context(), r); err != nil || len(caller.Access) != 0 {
		t.Errorf("without a scope: %+v, %v", caller, err)
	}
	if got := p.asked.Load(); got != 1 {
		t.Errorf("the keys were asked for %d times", got)
	}
}

func TestTokensOfAnIssuerThatAreRefused(t *testing.T) {
	p := newProvider(t)
	p.publish(p.rsaKey("rsa"), p.ecKey("ec"), p.edKey("ed"), p.rsaKey("encrypts").with(object{"use": "enc"}), object{"kty": "oct", "kid": "shared", "k": "c2VjcmV0"})
	g := issuerGuard(t, p)
	public, err := json.Marshal(p.rsaKey("rsa"))
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"wrong audience":            signed(t, issuedHeader, issuedClaims.with(object{"aud": "others"}), p.signRSA),
		"no audience":               signed(t, issuedHeader, issuedClaims.with(object{"aud": nil}), p.signRSA),
		"wrong issuer":              signed(t, issuedHeader, issuedClaims.with(object{"iss": "https://elsewhere.example"}), p.signRSA),
		"in the service's name":     signed(t, issuedHeader, issuedClaims.with(object{"iss": TokenIssuer, "sub": "a", "org_id": 1}), p.signRSA),
		"the same, EdDSA":           signed(t, object{"alg": "EdDSA", "kid": "ed"}, issuedClaims.with(object{"iss": TokenIssuer, "sub": "a", "org_id": 1}), signedBy(p.ed)),
		"expired":                   signed(t, issuedHeader, issuedClaims.with(object{"exp": noon.Add(-time.Minute).Unix()}), p.signRSA),
		"without end":               signed(t, issuedHeader, issuedClaims.with(object{"exp": nil}), p.signRSA),
		"not yet valid":             signed(t, issuedHeader, issuedClaims.with(object{"nbf": noon.Add(time.Minute).Unix()}), p.signRSA),
		"nobody":                    signed(t, issuedHeader, issuedClaims.with(object{"sub": nil}), p.signRSA),
		"no organisation":           signed(t, issuedHeader, issuedClaims.with(object{"org_id": nil}), p.signRSA),
		"not its organisation":      signed(t, issuedHeader, issuedClaims.with(object{"org_id": 50712}), p.signRSA),
		"another signature":         signed(t, issuedHeader, issuedClaims, p.signEC),
		"another key":               signed(t, issuedHeader.with(object{"kid": "ec"}), issuedClaims, p.signRSA),
		"unknown key":               signed(t, issuedHeader.with(object{"kid": "unknown"}), issuedClaims, p.signRSA),
		"no key":                    signed(t, issuedHeader.with(object{"kid": nil}), issuedClaims, p.signRSA),
		"a key that only encrypts":  signed(t, issuedHeader.with(object{"kid": "encrypts"}), issuedClaims, p.signRSA),
		"none":                      signed(t, issuedHeader.with(object{"alg": "none"}), issuedClaims, unsigned),
		"HS256 with the public key": signed(t, issuedHeader.with(object{"alg": "HS256"}), issuedClaims, macOf(public)),
		"HS256 with a shared key":   signed(t, issuedHeader.with(object{"alg": "HS256", "kid": "shared"}), issuedClaims, macOf([]byte("secret"))),
		"not the key's algorithm":   signed(t, issuedHeader.with(object{"alg": "RS512"}), issuedClaims, p.signRSA),
	} {
		if err := g.present(token); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIssuersMistakesAreNamed(t *testing.T) {
	err := CheckIssuers([]Issuer{
		{JWKS: "ftp://id.example.com", AnyOrg: true, Orgs: []leaderboard.OrgID{1}},
		{Issuer: "leaderboard", JWKS: "http://id.example.com/keys", Audience: "x", AnyOrg: true, Access: []Access{"write"}},
		{Issuer: "twice", JWKS: "https://id.example.com/keys", Audience: "x", AnyOrg: true, Access: allAccess},
		{Issuer: "twice", JWKS: "http://[::1]:80/keys", Audience: "x", AnyOrg: true, Access: allAccess},
		{Issuer: "here", JWKS: "http://localhost/keys", Audience: "x", AnyOrg: true, Access: allAccess},
		{Issuer: "none", JWKS: "keys", Audience: "x", Access: allAccess},
	})
	for _, part := range []string{
		`issuer "": issuer is missing`, `issuer "": jwks: "ftp://id.example.com" is not https`, `issuer "": audience is missing`,
		`issuer "": either orgs or anyOrg`, `issuer "": access is missing`,
		`issuer "leaderboard": the service's own tokens have this name`, `issuer "leaderboard": jwks: "http://id.example.com/keys" is not https`,
		`issuer "leaderboard": the access "write"`, `issuer "twice" is there twice`, `issuer "none": jwks: "keys" is no URL`, `issuer "none": either orgs or anyOrg`,
	} {
		if err == nil || strings.Count(err.Error(), part) != 1 {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	if err != nil && strings.Count(err.Error(), "\n") != 10 {
		t.Errorf("there are other mistakes:\n%v", err)
	}
}

// keySetOf is the provider's, with a clock that is set by hand.
func keySetOf(g *testGuard) (keys *keySet, at *atomic.Int64) {
	at = new(atomic.Int64)
	keys = g.issuers[issuerName].keys
	keys.now = func() time.Time { return noon.Add(time.Duration(at.Load())) }
	return keys, at
}

func TestUnknownKeyIsLookedForOnceInAWhile(t *testing.T) {
	p := newProvider(t)
	g := issuerGuard(t, p)
	_, at := keySetOf(g)
	token := signed(t, issuedHeader.with(object{"kid": "new"}), issuedClaims, p.signRSA)
	before := signed(t, issuedHeader, issuedClaims, p.signRSA)
	if err := g.present(before); err != nil {
		t.Error(err)
	}
	for range 5 {
		if err := g.present(token); !errors.Is(err, ErrToken) {
			t.Errorf("an unknown key: %v", err)
		}
	}
	p.publish(p.rsaKey("new"))
	if g.present(token) == nil || p.asked.Load() != 1 {
		t.Errorf("asked %d times within the pause", p.asked.Load())
	}
	at.Store(int64(keysPause))
	if err := g.present(token); err != nil || p.asked.Load() != 2 {
		t.Errorf("after the pause: %v, asked %d times", err, p.asked.Load())
	}
	if err := g.present(before); !errors.Is(err, ErrToken) {
		t.Errorf("a key that is not published any more: %v", err)
	}
}

// Tokens of a new key that come while it is looked for wait for it.
func TestAllWaitForTheSameLook(t *testing.T) {
	p := newProvider(t)
	g := issuerGuard(t, p)
	begun, release := make(chan struct{}), make(chan struct{})
	given := *p.answer.Load()
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		given(w, r)
	})
	token := signed(t, issuedHeader, issuedClaims, p.signRSA)
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() { // the first, who goes away
		r := request(home).WithContext(ctx)
		r.Header.Set(TokenHeader, token)
		if _, err := g.Authenticate(ctx, r); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("who went away: %v", err)
		}
	})
	<-begun
	cancel()
	for range 10 {
		all.Go(func() {
			if err := g.present(token); err != nil {
				t.Error(err)
			}
		})
	}
	close(release)
	all.Wait()
	if got := p.asked.Load(); got != 1 {
		t.Errorf("asked %d times", got)
	}
}

func TestKeysStayWhileTheyCannotBeRead(t *testing.T) {
	p := newProvider(t)
	g := issuerGuard(t, p)
	keys, at := keySetOf(g)
	token := signed(t, issuedHeader, issuedClaims, p.signRSA)

	p.serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "away", http.StatusBadGateway) })
	if err := g.present(token); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("before the keys were read: %v", err)
	}
	good := p.rsaKey("rsa")
	p.publish(good)
	at.Add(int64(keysPause))
	if err := g.present(token); err != nil || gaugeOf(t, keys.current) != 1 {
		t.Fatalf("with the keys: %v, current %v", err, gaugeOf(t, keys.current))
	}
	text, err := json.Marshal(map[string]any{"keys": []object{good}})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) }))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`<html>`)) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(text, make([]byte, maxKeySetBytes)...))
		},
		"a redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"a small key": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(smallKey(t)) },
		"cut off":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		p.serve(answer)
		at.Add(int64(keysPause))
		if err := keys.look(t.Context()); err == nil {
			t.Errorf("%s is no error", name)
		}
		if err := g.present(token); err != nil {
			t.Errorf("%s takes the keys away: %v", name, err)
		}
		if got := gaugeOf(t, keys.current); got != 0 {
			t.Errorf("%s: current is %v", name, got)
		}
	}
	if !strings.Contains(g.log.String(), issuerName) {
		t.Errorf("the log does not name the issuer: %s", &g.log)
	}
}

// smallKey is a key set with an RSA key of 1024 bits.
func smallKey(t *testing.T) []byte {
	t.Helper()
	modulus := make([]byte, 128)
	modulus[0], modulus[127] = 0x80, 1
	text, err := json.Marshal(map[string]any{"keys": []object{{"kty": "RSA", "kid": "rsa", "n": base64.RawURLEncoding.EncodeToString(modulus), "e": "AQAB"}}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKeysOfUnknownKindsArePassedOver(t *testing.T) {
	p := newProvider(t)
	p.publish(object{"kty": "new", "kid": "x"}, object{"kty": "RSA", "kid": "broken"}, object{}, p.rsaKey("rsa"))
	g := issuerGuard(t, p)
	if err := g.present(signed(t, issuedHeader, issuedClaims, p.signRSA)); err != nil {
		t.Error(err)
	}
}

func TestRateOfACallerOfAnIssuer(t *testing.T) {
	p := newProvider(t)
	g := newTestGuard(t, Config{Clients: twoClients(t), RateLimit: 1, Issuers: []Issuer{{Issuer: issuerName, JWKS: p.URL, Audience: "boards", AnyOrg: true, Access: allAccess}}})
	delay := func(subject string) time.Duration {
		t.Helper()
		r := request(home)
		r.Header.Set(TokenHeader, signed(t, issuedHeader, issuedClaims.with(object{"sub": subject}), p.signRSA))
		caller, err := g.Authenticate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return caller.Delay(noon)
	}
	if delay("one") != 0 || delay("one") == 0 || delay("other") != 0 {
		t.Error("the rate is not that of each subject")
	}
}

func TestRunReadsTheKeys(t *testing.T) {
	p := newProvider(t)
	g := issuerGuard(t, p)
	read := make(chan struct{}, 1)
	given := *p.answer.Load()
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		given(w, r)
		read <- struct{}{}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { g.Run(ctx); close(ended) }()
	<-read
	cancel()
	<-ended
}
