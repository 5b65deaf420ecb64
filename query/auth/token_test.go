package auth

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// present gives what the guard says of a token.
func (g *testGuard) present(token string) error {
	g.t.Helper()
	r := request(home)
	r.Header.Set(TokenHeader, token)
	_, err := g.Authenticate(g.t.Context(), r)
	return err
}

// token is one of the guard for the client.
func (g *testGuard) token(id string) string {
	g.t.Helper()
	caller, err := g.signInFrom(home, id, longSecret(id))
	if err != nil {
		g.t.Fatal(err)
	}
	token, err := g.IssueToken(caller)
	if err != nil {
		g.t.Fatal(err)
	}
	return token
}

// object is a JSON object.
type object map[string]any

// with are the fields of both; those that are nil are left out.
func (o object) with(fields object) object {
	all := maps.Clone(o)
	maps.Copy(all, fields)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// signed writes a token (RFC 7515) by hand.
func signed(t *testing.T, header, claims object, sign func(input []byte) []byte) string {
	t.Helper()
	var parts []string
	for _, o := range []object{header, claims} {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	input := strings.Join(parts, ".")
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func signedBy(key ed25519.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte { return ed25519.Sign(key, input) }
}

func macOf(key []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func unsigned([]byte) []byte { return nil }

func TestTokenSaysWhoseItIs(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	token := g.token("a")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token is %q", token)
	}
	var header struct{ Alg, Typ, Kid string }
	var claims map[string]any
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := g.tokenKeys.Load()
	if header.Alg != "EdDSA" || header.Typ != "JWT" || header.Kid != keys.ids[0] {
		t.Errorf("the header is %+v", header)
	}
	if jti, _ := claims["jti"].(string); len(jti) < 20 {
		t.Errorf("jti is %q", jti)
	}
	delete(claims, "jti")
	want := map[string]any{"iss": "leaderboard", "sub": "a", "org_id": 1.0, "iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 3600)}
	if !maps.Equal(claims, want) {
		t.Errorf("the claims are %v, want %v", claims, want)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(keys.keys[0].Public().(ed25519.PublicKey), []byte(parts[0]+"."+parts[1]), signature) {
		t.Errorf("the signature is not of the key: %v", err)
	}
	if g.token("a") == token {
		t.Error("two tokens are the same")
	}
}

func TestTokenIsTakenFromEitherHeader(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	token := g.token("b")
	for name, header := range map[string]http.Header{
		"of its own":            {"X-Cap-Api-Oauth-Token": {token}},
		"Bearer":                {"Authorization": {"Bearer " + token}},
		"in small letters":      {"Authorization": {"bearer " + token}},
		"before a wrong secret": {"X-Cap-Api-Oauth-Token": {token}, "Authorization": {"Basic YTpi"}},
	} {
		r := request(home)
		r.Header = header
		if caller, err := g.Authenticate(t.Context(), r); err != nil || caller.ID != "b" || caller.OrgID != 1 || !caller.May(AccessTop) {
			t.Errorf("%s: %+v, %v", name, caller, err)
		}
	}
	r := request(home)
	r.Header.Set(TokenHeader, "wrong")
	r.SetBasicAuth("a", longSecret("a"))
	if _, err := g.Authenticate(t.Context(), r); !errors.Is(err, ErrToken) {
		t.Errorf("a wrong token with a good secret: %v", err)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	keys := g.tokenKeys.Load()
	key, public := keys.keys[0], keys.keys[0].Public().(ed25519.PublicKey)
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := object{"alg": "EdDSA", "typ": "JWT", "kid": keys.ids[0]}
	claims := object{"iss": "leaderboard", "sub": "a", "org_id": 1, "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(), "jti": "x"}
	if err := g.present(signed(t, header, claims, signedBy(key))); err != nil {
		t.Fatalf("a good token: %v", err)
	}
	good := signed(t, header, claims, signedBy(key))
	noObject := strings.Split(good, ".")[0] + ".W10" // []
	for name, token := range map[string]string{
		"no token at all":           "x",
		"no signature":              good[:strings.LastIndex(good, ".")+1],
		"two parts":                 good[:strings.LastIndex(good, ".")],
		"none":                      signed(t, header.with(object{"alg": "none"}), claims, unsigned),
		"none, signed":              signed(t, header.with(object{"alg": "none"}), claims, signedBy(key)),
		"HS256 with the public key": signed(t, header.with(object{"alg": "HS256"}), claims, macOf(public)),
		"RS256 with this signature": signed(t, header.with(object{"alg": "RS256"}), claims, signedBy(key)),
		"signed by a stranger":      signed(t, header, claims, signedBy(stranger)),
		"with the stranger's key":   signed(t, header.with(object{"jwk": object{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(stranger.Public().(ed25519.PublicKey))}}), claims, signedBy(stranger)),
		"unknown key":               signed(t, header.with(object{"kid": "unknown"}), claims, signedBy(key)),
		"no key":                    signed(t, header.with(object{"kid": nil}), claims, signedBy(key)),
		"critical header":           signed(t, header.with(object{"crit": []string{"x"}, "x": 1}), claims, signedBy(key)),
		"another's claims":          strings.Join([]string{strings.Split(good, ".")[0], strings.Split(signed(t, header, claims.with(object{"sub": "b"}), unsigned), ".")[1], strings.Split(good, ".")[2]}, "."),
		"expired":                   signed(t, header, claims.with(object{"exp": noon.Add(-time.Minute).Unix()}), signedBy(key)),
		"without end":               signed(t, header, claims.with(object{"exp": nil}), signedBy(key)),
		"not yet valid":             signed(t, header, claims.with(object{"nbf": noon.Add(time.Minute).Unix()}), signedBy(key)),
		"issued in the future":      signed(t, header, claims.with(object{"iat": noon.Add(time.Minute).Unix()}), signedBy(key)),
		"wrong issuer":              signed(t, header, claims.with(object{"iss": "https://elsewhere.example"}), signedBy(key)),
		"no issuer":                 signed(t, header, claims.with(object{"iss": nil}), signedBy(key)),
		"unknown client":            signed(t, header, claims.with(object{"sub": "c"}), signedBy(key)),
		"no client":                 signed(t, header, claims.with(object{"sub": nil}), signedBy(key)),
		"another organisation":      signed(t, header, claims.with(object{"org_id": 2}), signedBy(key)),
		"no organisation":           signed(t, header, claims.with(object{"org_id": nil}), signedBy(key)),
		"too long":                  signed(t, header, claims.with(object{"x": strings.Repeat("x", maxTokenBytes)}), signedBy(key)),
		"claims that are no object": noObject + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(noObject))),
		"encrypted (five parts)":    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0.." + strings.Repeat("A", 16) + ".AAAA." + strings.Repeat("A", 22),
		"JSON instead of compact":   `{"payload":"","signatures":[]}`,
	} {
		if err := g.present(token); !errors.Is(err, ErrToken) || !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenEndsAfterAnHour(t *testing.T) {
	g := newTestGuard(t, Config{Clients: twoClients(t)})
	token := g.token("a")
	g.at = noon.Add(time.Hour + clockSkew)
	if err := g.present(token); err != nil {
		t.Errorf("at its end: %v", err)
	}
	g.at = noon.Add(time.Hour + clockSkew + time.Second)
	if err := g.present(token); !errors.Is(err, ErrToken) {
		t.Errorf("after its end: %v", err)
	}
}

func TestTokenOfARemovedClientEndsAtOnce(t *testing.T) {
	g, clients, path := clientsOnDisk(t, Config{})
	token := g.token("a")
	clients.clients[0].Access = []Access{AccessRank}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	r := request(home)
	r.Header.Set(TokenHeader, token)
	if caller, err := g.Authenticate(t.Context(), r); err != nil || caller.May(AccessTop) || !caller.May(AccessRank) {
		t.Errorf("with less access: %+v, %v", caller, err)
	}
	if err := clients.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := clients.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	if err := g.present(token); !errors.Is(err, ErrToken) {
		t.Errorf("removed: %v", err)
	}
}

func TestGuardFollowsItsTokenKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token-key.pem")
	keys := new(TokenKeys)
	rotate := func() {
		t.Helper()
		var err error
		if keys, err = keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if err := keys.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	g := newTestGuard(t, Config{Clients: twoClients(t), TokenKeyFile: path})
	other := newTestGuard(t, Config{Clients: twoClients(t), TokenKeyFile: path})
	first := g.token("a")
	if err := other.present(first); err != nil {
		t.Errorf("another instance: %v", err)
	}
	rotate()
	g.poll()
	second := g.token("a")
	if g.present(first) != nil || g.present(second) != nil {
		t.Error("a token of the key before is refused, or one of the new key")
	}
	if err := other.present(second); !errors.Is(err, ErrToken) {
		t.Errorf("another instance that has not read the new key: %v", err)
	}
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.poll()
	if g.present(second) != nil || !strings.Contains(g.log.String(), path) {
		t.Errorf("a broken file takes the keys away, or is not told: %s", &g.log)
	}
	rotate()
	g.poll()
	if err := g.present(first); !errors.Is(err, ErrToken) {
		t.Errorf("a token of a key that is gone: %v", err)
	}
	if err := g.present(second); err != nil {
		t.Errorf("a token of the key before: %v", err)
	}
	if strings.Contains(g.log.String(), "there is no token key file") {
		t.Error("there is a token key file")
	}
}

func TestWithoutAKeyFileTokensEndWithTheProcess(t *testing.T) {
	g, other := newTestGuard(t, Config{Clients: twoClients(t)}), newTestGuard(t, Config{Clients: twoClients(t)})
	if err := other.present(g.token("a")); !errors.Is(err, ErrToken) {
		t.Errorf("another instance: %v", err)
	}
	if said := g.log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "tokens end with this process") {
		t.Errorf("the log says %q", said)
	}
}

func TestTokenIsVerifiedOnceUnderTheSameKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token-key.pem")
	keys, err := new(TokenKeys).Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Save(path); err != nil {
		t.Fatal(err)
	}
	g := newTestGuard(t, Config{Clients: twoClients(t), TokenKeyFile: path})
	token := g.token("a")
	for range 3 {
		if err := g.present(token); err != nil {
			t.Error(err)
		}
	}
	// One that is different for certain: the last byte of a signature is often 0.
	signature := strings.LastIndexByte(token, '.') + 1
	first := "A"
	if token[signature] == 'A' {
		first = "B"
	}
	if err := g.present(token[:signature] + first + token[signature+1:]); !errors.Is(err, ErrToken) {
		t.Errorf("with another signature: %v", err)
	}
	if got := g.verified.Len(); got != 1 {
		t.Errorf("%d tokens are remembered, want 1", got)
	}
	g.at = noon.Add(2 * time.Hour)
	if err := g.present(token); !errors.Is(err, ErrToken) {
		t.Errorf("remembered past its end: %v", err)
	}
	g.at = noon
	other, err := new(TokenKeys).Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Save(path); err != nil {
		t.Fatal(err)
	}
	g.poll()
	if err := g.present(token); !errors.Is(err, ErrToken) {
		t.Errorf("remembered past its key: %v", err)
	}
}
