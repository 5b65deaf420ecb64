package auth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// TokenKeys are the Ed25519 keys of the service's own tokens. The first one signs,
// all of them verify. A key's id is its thumbprint (RFC 7638).
type TokenKeys struct {
	keys   []ed25519.PrivateKey
	ids    []string
	signer jose.Signer
}

// NewTokenKeys makes a key that is nowhere else: its tokens end with it.
func NewTokenKeys() (*TokenKeys, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newTokenKeys([]ed25519.PrivateKey{key})
}

func newTokenKeys(keys []ed25519.PrivateKey) (*TokenKeys, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	k := &TokenKeys{keys: keys}
	for _, key := range keys {
		jwk := jose.JSONWebKey{Key: key.Public()}
		thumbprint, err := jwk.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		k.ids = append(k.ids, base64.RawURLEncoding.EncodeToString(thumbprint))
	}
	var err error
	k.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: keys[0], KeyID: k.ids[0]}},
		new(jose.SignerOptions).WithType("JWT"))
	return k, err
}

// verifier is the public key of that id.
func (k *TokenKeys) verifier(id string) (crypto.PublicKey, error) {
	if i := slices.Index(k.ids, id); i >= 0 {
		return k.keys[i].Public(), nil
	}
	return nil, errForged
}

// pemType is of a key in PKCS #8.
const pemType = "PRIVATE KEY"

func parseTokenKeys(data []byte) (*TokenKeys, error) {
	var keys []ed25519.PrivateKey
	for block, rest := pem.Decode(data); ; block, rest = pem.Decode(rest) {
		if block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, errors.New("there is something in it that is no key in PEM")
			}
			return newTokenKeys(keys)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil || block.Type != pemType {
			return nil, fmt.Errorf("block %d is no private key in PKCS #8", len(keys)+1)
		}
		key, ok := parsed.(ed25519.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("key %d is no Ed25519 key", len(keys)+1)
		}
		keys = append(keys, key)
	}
}

// LoadTokenKeys reads a file of keys. The error of one that is not there is [os.ErrNotExist].
func LoadTokenKeys(path string) (*TokenKeys, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the token key file: %w", err)
	}
	keys, err := parseTokenKeys(data)
	if err != nil {
		return nil, fmt.Errorf("the token key file %s is not valid: %w", path, err)
	}
	return keys, nil
}

// Rotate puts a new key in front and keeps the one that signed before, so that its
// tokens live to their end; older ones are dropped. The zero TokenKeys gets its first.
func (k *TokenKeys) Rotate() (*TokenKeys, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newTokenKeys(append([]ed25519.PrivateKey{key}, k.keys[:min(1, len(k.keys))]...))
}

// IDs are the ids of the keys, that of the one that signs first.
func (k *TokenKeys) IDs() []string { return slices.Clone(k.ids) }

// Save writes the file, readable by its owner only.
func (k *TokenKeys) Save(path string) error {
	var data bytes.Buffer
	for _, key := range k.keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		if err := pem.Encode(&data, &pem.Block{Type: pemType, Bytes: der}); err != nil {
			return err
		}
	}
	if err := replaceFile(path, data.Bytes()); err != nil {
		return fmt.Errorf("write the token key file: %w", err)
	}
	return nil
}
