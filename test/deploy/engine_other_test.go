//go:build !linux

package deploy

import (
	"context"
	"errors"
	"net"
)

// ownEngine is for Linux alone.
type ownEngine struct{}

func startOwnEngine() (*ownEngine, error) { return nil, errors.New("start Docker") }

func (*ownEngine) socket() string { return "" }

func (*ownEngine) stop() error { return nil }

func (*ownEngine) dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
