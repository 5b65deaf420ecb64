package daemon

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// ServerTLS are the settings of TLS on a listener. Naming the files turns it on.
type ServerTLS struct {
	Cert string `name:"tls-cert" env:"TLS_CERT" placeholder:"FILE" help:"Certificate chain (PEM) to serve TLS with; read again when it changes."`
	Key  string `name:"tls-key" env:"TLS_KEY" placeholder:"FILE" help:"Key (PEM) of that certificate."`
}

// Check names what is wrong with the settings; prefix is that of the flags.
func (t ServerTLS) Check(prefix string) error {
	switch {
	case t.Cert == "" && t.Key == "":
		return nil
	case t.Key == "":
		return Mistakenf(prefix+"tls-key", "is missing; --%stls-cert needs it", prefix)
	case t.Cert == "":
		return Mistakenf(prefix+"tls-cert", "is missing; --%stls-key needs it", prefix)
	}
	if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
		return Mistakenf(prefix+"tls-cert", "%v", err)
	}
	return nil
}

// Listen is [Listen], with TLS when the settings say so.
func (t ServerTLS) Listen(name, setting, address string, log *slog.Logger) (net.Listener, error) {
	listener, err := Listen(name, setting, address, log)
	if err != nil || t.Cert == "" {
		return listener, err
	}
	c := &certificate{files: t, log: log.With("name", name)}
	if err := c.read(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: c.get,
	}), nil
}

// certificateAge is how long a certificate is used without a look at its files.
const certificateAge = time.Second

// certificate is the one of two files, as they are now.
type certificate struct {
	files ServerTLS
	log   *slog.Logger

	mu        sync.Mutex
	current   *tls.Certificate
	cert, key []byte
	looked    time.Time
	problem   string
}

// get is the certificate for a connection. Files that cannot be used, such as one that
// is replaced before the other, leave the one before in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificateAge {
		return c.current, nil
	}
	before := c.current
	err := c.read()
	switch {
	case err != nil && err.Error() != c.problem:
		c.problem = err.Error()
		c.log.Error("the changed certificate cannot be used; the one before stays in use", "error", err)
	case err == nil && c.current != before:
		c.problem = ""
		c.log.Info("a changed certificate is in use", "until", c.current.Leaf.NotAfter)
	}
	return c.current, nil
}

func (c *certificate) read() error {
	c.looked = time.Now()
	cert, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(c.files.Key)
	if err != nil || (bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key)) {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.current, c.cert, c.key = &pair, cert, key
	return nil
}
