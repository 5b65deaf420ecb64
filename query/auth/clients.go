package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"leaderboard"
)

// Access is something a caller may do.
type Access string

// What a caller may be granted.
const (
	// AccessTop is the ranked list of a target.
	AccessTop Access = "top"
	// AccessRank is the ranks of a user.
	AccessRank Access = "rank"
	// AccessEnrichment is the personal fields in both; without it they come empty.
	AccessEnrichment Access = "enrichment"
)

var allAccess = []Access{AccessTop, AccessRank, AccessEnrichment}

func checkAccess(access []Access, of string) error {
	for _, a := range access {
		if !slices.Contains(allAccess, a) {
			return fmt.Errorf("the access %q of %q is not one of top, rank, enrichment", a, of)
		}
	}
	return nil
}

// Client is a caller of the API. A file that leaves out access grants all of it;
// an empty list grants nothing.
type Client struct {
	ID         string            `json:"id"`
	OrgID      leaderboard.OrgID `json:"orgId"`
	SecretHash string            `json:"secretHash"`
	// Previous is the secret before this one, nil when there is none.
	Previous *PreviousSecret `json:"previousSecret,omitempty"`
	Access   []Access        `json:"access"`
}

// PreviousSecret is accepted beside its successor until it expires.
type PreviousSecret struct {
	SecretHash string    `json:"secretHash"`
	Expires    time.Time `json:"expires"`
}

const (
	// MaxSecretBytes is the longest secret; bcrypt does not look further.
	MaxSecretBytes = 72
	// MaxIDBytes is the longest id of a client.
	MaxIDBytes = 256
)

// Clients are the callers that have secrets. The zero value is none.
type Clients struct {
	clients []Client
}

// clientsFile is the form of the file:
// {"clients":[{"id":…,"orgId":…,"secretHash":…,"previousSecret":{"secretHash":…,"expires":…},"access":[…]}]}.
type clientsFile struct {
	Clients []Client `json:"clients"`
}

// LoadClients reads a clients file. The error of a file that is not there is [os.ErrNotExist].
func LoadClients(path string) (*Clients, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the clients file: %w", err)
	}
	clients, err := parseClients(data)
	if err != nil {
		return nil, fmt.Errorf("the clients file %s is not valid: %w", path, err)
	}
	return clients, nil
}

func parseClients(data []byte) (*Clients, error) {
	var file clientsFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after its end")
	}
	c := new(Clients)
	for i, client := range file.Clients {
		if client.Access == nil {
			client.Access = allAccess
		}
		if err := c.add(client); err != nil {
			return nil, fmt.Errorf("client %d: %w", i+1, err)
		}
	}
	return c, nil
}

// All are the clients in the order of the file.
func (c *Clients) All() []Client { return slices.Clone(c.clients) }

// Add makes a client with a hash of the secret; with no access named it gets all
// of it. It refuses an id that is known already.
func (c *Clients) Add(id string, org leaderboard.OrgID, secret string, access ...Access) error {
	hash, err := hashSecret(secret)
	if err != nil {
		return err
	}
	if len(access) == 0 {
		access = allAccess
	}
	return c.add(Client{ID: id, OrgID: org, SecretHash: hash, Access: access})
}

// Rotate gives a client another secret. The one it had is accepted until expires;
// one that it had before that is not accepted any more.
func (c *Clients) Rotate(id, secret string, now, expires time.Time) error {
	i, err := c.find(id)
	if err != nil {
		return err
	}
	hash, err := hashSecret(secret)
	if err != nil {
		return err
	}
	client := &c.clients[i]
	client.Previous = nil
	if expires.After(now) {
		client.Previous = &PreviousSecret{SecretHash: client.SecretHash, Expires: expires}
	}
	client.SecretHash = hash
	return nil
}

// Remove takes a client away.
func (c *Clients) Remove(id string) error {
	i, err := c.find(id)
	if err != nil {
		return err
	}
	c.clients = slices.Delete(c.clients, i, i+1)
	return nil
}

func (c *Clients) find(id string) (int, error) {
	i := slices.IndexFunc(c.clients, func(client Client) bool { return client.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("there is no client %q", id)
	}
	return i, nil
}

// hashCost is lower in tests.
var hashCost = bcrypt.DefaultCost

func hashSecret(secret string) (string, error) {
	if secret == "" {
		return "", errors.New("the secret is empty")
	}
	if len(secret) > MaxSecretBytes {
		return "", fmt.Errorf("the secret has %d bytes, more than the %d that are allowed", len(secret), MaxSecretBytes)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), hashCost)
	if err != nil {
		return "", fmt.Errorf("hash the secret: %w", err)
	}
	return string(hash), nil
}

func (c *Clients) add(client Client) error {
	if client.ID == "" || strings.Contains(client.ID, ":") {
		return fmt.Errorf("the id %q is empty or has a colon in it", client.ID)
	}
	if len(client.ID) > MaxIDBytes {
		return fmt.Errorf("an id has %d bytes, more than the %d that are allowed", len(client.ID), MaxIDBytes)
	}
	if _, err := c.find(client.ID); err == nil {
		return fmt.Errorf("the id %q is taken", client.ID)
	}
	if client.OrgID <= 0 {
		return fmt.Errorf("the orgId of %q is missing or not positive", client.ID)
	}
	if _, err := bcrypt.Cost([]byte(client.SecretHash)); err != nil {
		return fmt.Errorf("the secretHash of %q is not a bcrypt hash", client.ID)
	}
	if p := client.Previous; p != nil {
		if _, err := bcrypt.Cost([]byte(p.SecretHash)); err != nil || p.Expires.IsZero() {
			return fmt.Errorf("the previousSecret of %q has no bcrypt hash or no time at which it expires", client.ID)
		}
	}
	if err := checkAccess(client.Access, client.ID); err != nil {
		return err
	}
	c.clients = append(c.clients, client)
	return nil
}

// Save writes the clients file, readable by its owner only. Whoever reads the
// file meanwhile sees the old one or the new one, whole.
func (c *Clients) Save(path string) error {
	data, err := json.MarshalIndent(clientsFile{Clients: slices.Concat([]Client{}, c.clients)}, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("write the clients file: %w", err)
	}
	return nil
}

// replaceFile relies on CreateTemp making files of mode 0600.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
