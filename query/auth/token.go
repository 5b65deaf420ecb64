package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"leaderboard"
)

const (
	// TokenIssuer is the claim iss of the service's own tokens.
	TokenIssuer = "leaderboard"
	// TokenLifetime is how long they are accepted.
	TokenLifetime = time.Hour
	// TokenHeader carries a token, if Authorization does not.
	TokenHeader = "X-CAP-API-OAUTH-TOKEN" //nolint:gosec // a header's name, no secret
)

const (
	maxTokenBytes = 8 << 10
	// clockSkew is how far apart the clocks of issuer and service may be.
	clockSkew = 30 * time.Second
)

// algorithms are those that a token may be signed with: none with a shared secret,
// so that nobody can sign with a public key.
var algorithms = []jose.SignatureAlgorithm{
	jose.EdDSA,
	jose.ES256, jose.ES384, jose.ES512,
	jose.PS256, jose.PS384, jose.PS512,
	jose.RS256, jose.RS384, jose.RS512,
}

// claims are what a token says.
type claims struct {
	jwt.Claims
	OrgID orgID  `json:"org_id"`
	Scope string `json:"scope,omitempty"`
}

// orgID is a number, or one in a string: some issuers have only strings.
type orgID leaderboard.OrgID

func (o *orgID) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	*o = orgID(n)
	return err
}

// ErrToken is the [ErrRefused] of a token.
var ErrToken = fmt.Errorf("%w: the token is not valid", ErrRefused)

// errForged says that nobody has signed the token whose word is taken.
var errForged = fmt.Errorf("%w: it is not signed as it should be", ErrToken)

// tokenOf is the token that the request brings, empty when it brings none.
func tokenOf(header http.Header) string {
	if token := header.Get(TokenHeader); token != "" {
		return token
	}
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// IssueToken makes a token for a client that has signed in.
func (g *Guard) IssueToken(client *Caller) (string, error) {
	now := g.now()
	return jwt.Signed(g.tokenKeys.Load().signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer:   TokenIssuer,
			Subject:  client.ID,
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(TokenLifetime)),
			ID:       rand.Text(),
		},
		OrgID: orgID(client.OrgID),
	}).Serialize()
}

// signedToken is a token whose signature was verified, which takes longer than most
// answers.
type signedToken struct {
	claims claims
	// issuer is nil for the service's own token.
	issuer *issuer
	// keys were those of the issuer then. With others it has to be verified again.
	keys any
}

// keysOf are the keys that an issuer, nil for the service, has now.
func (g *Guard) keysOf(i *issuer) any {
	if i == nil {
		return g.tokenKeys.Load()
	}
	return i.keys.keys.Load()
}

// verify finds the caller that a token is of.
func (g *Guard) verify(ctx context.Context, token string) (*Caller, error) {
	if len(token) > maxTokenBytes {
		return nil, errForged
	}
	digest := [sha256.Size]byte(g.digest(token))
	signed, known := g.verified.Get(digest)
	if !known || signed.keys != g.keysOf(signed.issuer) {
		var err error
		if signed, err = g.verifySignature(ctx, token); err != nil {
			return nil, err
		}
		g.verified.Add(digest, signed)
	}
	if signed.issuer != nil {
		return signed.issuer.caller(&signed.claims, g.now())
	}
	return g.ownCaller(&signed.claims)
}

func (g *Guard) verifySignature(ctx context.Context, token string) (*signedToken, error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return nil, errForged
	}
	signed := new(signedToken)
	if err := parsed.UnsafeClaimsWithoutVerification(&signed.claims); err != nil {
		return nil, errForged
	}
	if signed.claims.Issuer != TokenIssuer {
		if signed.issuer = g.issuers[signed.claims.Issuer]; signed.issuer == nil {
			return nil, errForged
		}
	}
	// Taken before the key is: if they change meanwhile, these are not the ones that are left.
	signed.keys = g.keysOf(signed.issuer)
	header := parsed.Headers[0]
	var key any
	if signed.issuer != nil {
		key, err = signed.issuer.keys.find(ctx, header.KeyID, header.Algorithm)
	} else {
		key, err = g.tokenKeys.Load().verifier(header.KeyID)
	}
	if err != nil {
		return nil, err
	}
	if parsed.Claims(key) != nil {
		return nil, errForged
	}
	return signed, nil
}

// ownCaller knows no more of a client than the clients file says now.
func (g *Guard) ownCaller(said *claims) (*Caller, error) {
	if err := said.check(jwt.Expected{Time: g.now()}); err != nil {
		return nil, err
	}
	a := (*g.accounts.Load())[said.Subject]
	if a == nil || a.OrgID != leaderboard.OrgID(said.OrgID) {
		return nil, fmt.Errorf("%w: its client is not there any more", ErrToken)
	}
	return &a.Caller, nil
}

func (c *claims) check(expected jwt.Expected) error {
	err := c.ValidateWithLeeway(expected, clockSkew)
	if c.Expiry == nil {
		err = errors.New("it does not expire")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return nil
}
