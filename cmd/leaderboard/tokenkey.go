package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/query/auth"
)

type tokenKeyCommand struct {
	File   string `env:"TOKEN_KEY_FILE" placeholder:"FILE" help:"Token key file, which running services read again when it changes; made when it is not there. The new key signs, the one before is accepted, and older ones are dropped: leave an hour, for which a token lives, between two runs."`
	Output output `embed:"" envprefix:"TOKEN_KEY_"`
}

// Check names every wrong setting.
func (c *tokenKeyCommand) Check() error {
	if c.File == "" {
		return daemon.Mistakenf("file", "is missing; it names the token key file")
	}
	return nil
}

func (c *tokenKeyCommand) execute(_ context.Context, std streams) error {
	keys, err := auth.LoadTokenKeys(c.File)
	if errors.Is(err, os.ErrNotExist) {
		keys, err = new(auth.TokenKeys), nil
	}
	if err != nil {
		return fmt.Errorf("--file (TOKEN_KEY_FILE): %w", err)
	}
	if keys, err = keys.Rotate(); err != nil {
		return err
	}
	if err := keys.Save(c.File); err != nil {
		return err
	}
	ids := keys.IDs()
	words := []string{fmt.Sprintf("key %s signs in %s", ids[0], c.File)}
	for _, id := range ids[1:] {
		words = append(words, fmt.Sprintf("key %s is still accepted", id))
	}
	return c.Output.print(std.out, map[string]any{"file": c.File, "signs": ids[0], "accepted": ids}, lines(words...))
}
