package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"sigs.k8s.io/yaml"

	"leaderboard/query/auth"
)

// Credentials are the settings that say who may call the query service.
type Credentials struct {
	ClientsFile     string   `env:"CLIENTS_FILE" placeholder:"FILE" help:"Clients that may call, as 'leaderboard clients add' writes them; read again when it changes. Required."`
	TokenKeyFile    string   `env:"TOKEN_KEY_FILE" placeholder:"FILE" help:"Keys of the tokens that clients get for their secrets, as 'leaderboard clients token-key' makes them; read again when it changes. Without it tokens end with the process, and other instances do not accept them."`
	IssuersFile     string   `env:"ISSUERS_FILE" placeholder:"FILE.yaml" help:"Outside issuers whose tokens are accepted too; see docs/api.md."`
	TrustedProxies  []string `env:"TRUSTED_PROXIES" placeholder:"CIDR" help:"Networks of the proxies in front whose word about where a request comes from is taken; several separated by commas."`
	ForwardedHeader string   `env:"FORWARDED_HEADER" default:"X-Forwarded-For" placeholder:"NAME" help:"Header in which they say so, X-Forwarded-For or Forwarded (${default}); the other is passed over."`
}

// Check names every wrong setting.
func (c *Credentials) Check() error {
	var mistakes []error
	if c.ClientsFile == "" {
		mistakes = append(mistakes, Mistakenf("clients-file", "is missing; make one with 'leaderboard clients add'"))
	} else {
		mistakes = append(mistakes, CheckClientsFile(c.ClientsFile))
	}
	if c.TokenKeyFile != "" {
		if _, err := auth.LoadTokenKeys(c.TokenKeyFile); err != nil {
			mistakes = append(mistakes, Mistakenf("token-key-file", "%v", err))
		}
	}
	if _, err := c.Issuers(); err != nil {
		mistakes = append(mistakes, Mistakenf("issuers-file", "%v", err))
	}
	if _, err := c.Proxies(); err != nil {
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// CheckClientsFile finds fault with a clients file that cannot be used.
func CheckClientsFile(path string) error {
	if _, err := auth.LoadClients(path); err != nil {
		return Mistakenf("clients-file", "%v", err)
	}
	return nil
}

// Issuers reads the issuers file: {"issuers": […]} in YAML.
func (c *Credentials) Issuers() ([]auth.Issuer, error) {
	if c.IssuersFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.IssuersFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the issuers file: %w", err)
	}
	var file struct {
		Issuers []auth.Issuer `json:"issuers"`
	}
	if err := yaml.UnmarshalStrict(data, &file); err != nil {
		return nil, fmt.Errorf("the issuers file %s is not valid: %w", c.IssuersFile, err)
	}
	if err := auth.CheckIssuers(file.Issuers); err != nil {
		return nil, fmt.Errorf("the issuers file %s is not valid: %w", c.IssuersFile, err)
	}
	return file.Issuers, nil
}

// Proxies are those in front whose word is taken. The error is a [Mistake].
func (c *Credentials) Proxies() (auth.Proxies, error) {
	proxies := auth.Proxies{Header: c.ForwardedHeader}
	var mistakes []error
	if c.ForwardedHeader != auth.HeaderXForwardedFor && c.ForwardedHeader != auth.HeaderForwarded {
		mistakes = append(mistakes, Mistakenf("forwarded-header", "%q is neither %s nor %s", c.ForwardedHeader, auth.HeaderXForwardedFor, auth.HeaderForwarded))
	}
	for _, text := range c.TrustedProxies {
		network, err := parseNetwork(text)
		if err != nil {
			mistakes = append(mistakes, Mistakenf("trusted-proxies", "%q is no network such as 10.0.0.0/8, and no address", text))
			continue
		}
		proxies.Trusted = append(proxies.Trusted, network)
	}
	return proxies, errors.Join(mistakes...)
}

// parseNetwork takes an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
