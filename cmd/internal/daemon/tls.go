package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	_ "golang.org/x/crypto/x509roots/fallback" // certificates to trust, on images that have none
)

// TLS are the settings of a connection to a server. Naming a file turns TLS on.
type TLS struct {
	Enabled bool   `name:"tls" env:"TLS" help:"Connect with TLS."`
	CA      string `name:"tls-ca" env:"TLS_CA" placeholder:"FILE" help:"Certificates (PEM) to trust instead of the system's."`
	Cert    string `name:"tls-cert" env:"TLS_CERT" placeholder:"FILE" help:"Certificate (PEM) to present."`
	Key     string `name:"tls-key" env:"TLS_KEY" placeholder:"FILE" help:"Key (PEM) of that certificate."`
}

// config is nil for a connection in the clear. Server is the prefix of the flags.
func (t TLS) config(server string) (*tls.Config, error) {
	if !t.Enabled && t.CA == "" && t.Cert == "" && t.Key == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	var mistakes []error
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		config.RootCAs = x509.NewCertPool()
		switch {
		case err != nil:
			mistakes = append(mistakes, Mistakenf(server+"-tls-ca", "%v", err))
		case !config.RootCAs.AppendCertsFromPEM(pem):
			mistakes = append(mistakes, Mistakenf(server+"-tls-ca", "%s holds no certificate in PEM", t.CA))
		}
	}
	switch {
	case t.Cert != "" && t.Key != "":
		certificate, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			mistakes = append(mistakes, Mistakenf(server+"-tls-cert", "%v", err))
		}
		config.Certificates = []tls.Certificate{certificate}
	case t.Cert != "":
		mistakes = append(mistakes, Mistakenf(server+"-tls-key", "is missing; --%s-tls-cert needs it", server))
	case t.Key != "":
		mistakes = append(mistakes, Mistakenf(server+"-tls-cert", "is missing; --%s-tls-key needs it", server))
	}
	return config, errors.Join(mistakes...)
}
