package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The key and its thumbprint are those of RFC 8037, appendix A.
func TestKeyIDIsTheThumbprint(t *testing.T) {
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := newTokenKeys([]ed25519.PrivateKey{ed25519.NewKeyFromSeed(seed)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys.IDs(), []string{"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}; !slices.Equal(got, want) {
		t.Errorf("ids are %v, want %v", got, want)
	}
}

func TestTokenKeysRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token-key.pem")
	if _, err := LoadTokenKeys(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	keys := new(TokenKeys)
	var signers []string
	for range 3 {
		var err error
		if keys, err = keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if err := keys.Save(path); err != nil {
			t.Fatal(err)
		}
		if keys, err = LoadTokenKeys(path); err != nil {
			t.Fatal(err)
		}
		signers = append(signers, keys.IDs()[0])
	}
	if got := keys.IDs(); !slices.Equal(got, []string{signers[2], signers[1]}) || signers[0] == signers[1] || signers[1] == signers[2] {
		t.Errorf("ids are %v after %v", got, signers)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestTokenKeysRefuse(t *testing.T) {
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	ec := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: ecDER}))
	for content, reason := range map[string]string{
		"":      "there is no key in it",
		"\n \n": "there is no key in it",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n": "block 1 is no private key in PKCS #8",
		ec:              "key 1 is no Ed25519 key",
		"no key at all": "something in it that is no key",
		strings.Replace(ec, "PRIVATE", "PUBLIC", 2): "block 1 is no private key",
	} {
		if _, err := parseTokenKeys([]byte(content)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, want %s", content, err, reason)
		}
	}
}
