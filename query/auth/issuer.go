package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"leaderboard"
)

// Issuer is an outside issuer of tokens that vouches for callers.
type Issuer struct {
	// Issuer is the claim iss of its tokens.
	Issuer string `json:"issuer"`
	// JWKS is the URL of its public keys: https, or http on this machine.
	JWKS string `json:"jwks"`
	// Audience has to be in the claim aud.
	Audience string `json:"audience"`
	// Orgs are the organisations that it may name in the claim org_id, AnyOrg all of them.
	Orgs   []leaderboard.OrgID `json:"orgs"`
	AnyOrg bool                `json:"anyOrg"`
	// Access is the most that its tokens may grant. A token grants what of it the
	// claim scope names, each with the prefix leaderboard: before it.
	Access []Access `json:"access"`
}

const scopePrefix = "leaderboard:"

func (i *Issuer) check() error {
	var mistakes []error
	mistaken := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("issuer %q: %w", i.Issuer, fmt.Errorf(format, args...)))
	}
	switch i.Issuer {
	case "":
		mistaken("issuer is missing")
	case TokenIssuer:
		mistaken("the service's own tokens have this name")
	}
	if err := checkKeysURL(i.JWKS); err != nil {
		mistaken("jwks: %w", err)
	}
	if i.Audience == "" {
		mistaken("audience is missing")
	}
	if (len(i.Orgs) > 0) == i.AnyOrg {
		mistaken("either orgs or anyOrg is to say for which organisations it may speak")
	}
	if len(i.Access) == 0 {
		mistaken("access is missing; without it no token grants anything")
	}
	if err := checkAccess(i.Access, i.Issuer); err != nil {
		mistaken("%w", err)
	}
	return errors.Join(mistakes...)
}

func checkKeysURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL", text)
	}
	addr, _ := netip.ParseAddr(u.Hostname())
	local := addr.IsLoopback() || u.Hostname() == "localhost"
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("%q is not https", text)
	}
	return nil
}

// issuer is an [Issuer] with its keys.
type issuer struct {
	Issuer
	keys *keySet
	// limiters are by the claim sub; nil without a limit.
	limiters *lru.Cache[string, *rate.Limiter]
	rate     float64
}

// CheckIssuers names every mistake in them.
func CheckIssuers(issuers []Issuer) error {
	var mistakes []error
	for i := range issuers {
		mistakes = append(mistakes, issuers[i].check())
		if slices.ContainsFunc(issuers[:i], func(other Issuer) bool { return other.Issuer == issuers[i].Issuer }) {
			mistakes = append(mistakes, fmt.Errorf("issuer %q is there twice", issuers[i].Issuer))
		}
	}
	return errors.Join(mistakes...)
}

func newIssuers(configured []Issuer, perSecond float64, log *slog.Logger, m *metrics) (map[string]*issuer, error) {
	if err := CheckIssuers(configured); err != nil {
		return nil, err
	}
	issuers := map[string]*issuer{}
	for _, c := range configured {
		limiters, err := lru.New[string, *rate.Limiter](rememberedClients)
		if err != nil {
			return nil, err
		}
		keys := newKeySet(c.JWKS, log.With("issuer", c.Issuer), m.keysCurrent.WithLabelValues(c.Issuer))
		issuers[c.Issuer] = &issuer{Issuer: c, keys: keys, limiters: limiters, rate: perSecond}
	}
	return issuers, nil
}

// caller is who the issuer vouches for.
func (i *issuer) caller(said *claims, now time.Time) (*Caller, error) {
	if err := said.check(jwt.Expected{AnyAudience: jwt.Audience{i.Audience}, Time: now}); err != nil {
		return nil, err
	}
	org := leaderboard.OrgID(said.OrgID)
	if said.Subject == "" || org <= 0 || (!i.AnyOrg && !slices.Contains(i.Orgs, org)) {
		return nil, fmt.Errorf("%w: it names nobody, or an organisation that its issuer may not speak for", ErrToken)
	}
	return &Caller{ID: i.Issuer.Issuer, OrgID: org, Access: i.granted(said.Scope), limiter: i.limiter(said.Subject)}, nil
}

// granted is what of the issuer's access the scope names.
func (i *issuer) granted(scope string) []Access {
	var granted []Access
	for _, a := range i.Access {
		if slices.Contains(strings.Fields(scope), scopePrefix+string(a)) {
			granted = append(granted, a)
		}
	}
	return granted
}

func (i *issuer) limiter(subject string) *rate.Limiter {
	if i.rate == 0 {
		return nil
	}
	if known, has := i.limiters.Get(subject); has {
		return known
	}
	made := newLimiter(i.rate)
	if known, has, _ := i.limiters.PeekOrAdd(subject, made); has {
		return known
	}
	return made
}
