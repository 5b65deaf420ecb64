package dev

import "syscall"

// ownProcess keeps a child out of the terminal's Ctrl-C, which is for us to pass
// on in order, and lets it never outlive us.
func ownProcess() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
