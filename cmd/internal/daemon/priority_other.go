//go:build !linux

package daemon

// LowestPriority is the greatest nice value there is.
const LowestPriority = 19

// GiveWay does nothing here.
func GiveWay(int) error { return nil }
