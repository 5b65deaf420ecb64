//go:build !linux

package dev

import "syscall"

// ownProcess has nothing to say where a child cannot be tied to its parent.
func ownProcess() *syscall.SysProcAttr { return nil }
