package auth

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestAddressIsTheLastHopThatIsNotTrusted(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		header  string
		from    string
		says    http.Header
		want    string
	}{
		"nobody is trusted":      {nil, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "10.0.0.1"},
		"not from a proxy":       {inside, HeaderXForwardedFor, "192.0.2.7:80", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "192.0.2.7"},
		"no header":              {inside, HeaderXForwardedFor, "10.0.0.1:80", nil, "10.0.0.1"},
		"one hop":                {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "198.51.100.1"},
		"with a port":            {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"198.51.100.1:9"}}, "198.51.100.1"},
		"the client lies":        {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"1.1.1.1, 198.51.100.1"}}, "198.51.100.1"},
		"in a line of its own":   {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"1.1.1.1", "198.51.100.1"}}, "198.51.100.1"},
		"two proxies":            {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"1.1.1.1,198.51.100.1,10.2.3.4"}}, "198.51.100.1"},
		"only proxies":           {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"10.9.9.9,10.2.3.4"}}, "10.9.9.9"},
		"rubbish before":         {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"X-Forwarded-For": {"x,,10.2.3.4"}}, "10.2.3.4"},
		"the other header":       {inside, HeaderXForwardedFor, "10.0.0.1:80", http.Header{"Forwarded": {"for=1.1.1.1"}}, "10.0.0.1"},
		"a mapped address":       {inside, HeaderXForwardedFor, "[::ffff:10.0.0.1]:80", http.Header{"X-Forwarded-For": {"::ffff:198.51.100.1"}}, "198.51.100.1"},
		"a network of IPv6":      {nil, HeaderXForwardedFor, "[2001:db8:1:2:3:4:5:6]:80", nil, "2001:db8:1:2::"},
		"with a zone":            {nil, HeaderXForwardedFor, "[fe80::1%eth0]:80", nil, "fe80::"},
		"IPv6 behind a proxy":    {inside, HeaderXForwardedFor, "[fd00::1]:80", http.Header{"X-Forwarded-For": {"2001:db8:1:2:3:4:5:6"}}, "2001:db8:1:2::"},
		"Forwarded":              {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {"for=1.1.1.1, For=198.51.100.1;proto=https;by=10.0.0.1"}}, "198.51.100.1"},
		"Forwarded, IPv6":        {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {`by=x; for="[2001:db8:1:2::5]:4711"`}}, "2001:db8:1:2::"},
		"Forwarded, no port":     {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {`for="[2001:db8:1:2::5]"`}}, "2001:db8:1:2::"},
		"Forwarded, a quote":     {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {`for="1.1.1.1, for=198.51.100.1`}}, "198.51.100.1"},
		"Forwarded, a pseudonym": {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {`for=198.51.100.1, for=_hidden, for=10.2.3.4`}}, "10.2.3.4"},
		"Forwarded without for":  {inside, HeaderForwarded, "10.0.0.1:80", http.Header{"Forwarded": {`proto=https`}}, "10.0.0.1"},
	} {
		proxies := Proxies{Trusted: c.trusted, Header: c.header}
		if got := proxies.address(&http.Request{RemoteAddr: c.from, Header: c.says}); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
