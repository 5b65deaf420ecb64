//go:build !linux

package child

import "syscall"

// dieWithParent is Linux's alone: elsewhere a child outlives a parent that is killed.
func dieWithParent() *syscall.SysProcAttr { return nil }
