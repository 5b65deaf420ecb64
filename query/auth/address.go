package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// The headers in which proxies tell whom they forward for.
const (
	HeaderXForwardedFor = "X-Forwarded-For"
	HeaderForwarded     = "Forwarded"
)

// Proxies are those in front of the service whose word is taken.
type Proxies struct {
	// Trusted are their networks; with none nobody's word is taken.
	Trusted []netip.Prefix
	// Header is the one that they set, [HeaderXForwardedFor] or [HeaderForwarded].
	// The other may come from anybody.
	Header string
}

// address is where the request comes from: the last hop that is no trusted proxy.
// It is the network of 64 bits of an IPv6 address, which one subscriber has to itself.
func (p *Proxies) address(r *http.Request) netip.Addr {
	addr := parseHop(r.RemoteAddr)
	if p.trusts(addr) {
		hops := strings.Split(strings.Join(r.Header.Values(p.Header), ","), ",")
		for _, hop := range slices.Backward(hops) {
			before := parseHop(p.node(hop))
			if !before.IsValid() {
				break
			}
			addr = before
			if !p.trusts(addr) {
				break
			}
		}
	}
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64) // never fails: it has 128 bits
		return network.Addr()
	}
	return addr
}

func (p *Proxies) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.Trusted, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// node is the address in one element of the header.
func (p *Proxies) node(element string) string {
	if p.Header != HeaderForwarded {
		return strings.TrimSpace(element)
	}
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parseHop reads an address with or without a port. What is none, such as the
// pseudonym of a proxy, gives the zero Addr.
func parseHop(text string) netip.Addr {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap()
	}
	addr, _ := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return addr.Unmap()
}
