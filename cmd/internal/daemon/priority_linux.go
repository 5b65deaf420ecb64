package daemon

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// LowestPriority is the greatest nice value there is.
const LowestPriority = 19

// GiveWay gives the process a nice value from 0 to [LowestPriority]: the higher it
// is, the more others get of the cores that they share. One that has a higher value
// keeps it. Elsewhere than on Linux nothing happens.
func GiveWay(nice int) error {
	// A thread has a nice value of its own, and hands it down to those that it starts.
	done := map[int]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list the threads: %w", err)
		}
		before := len(done)
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return fmt.Errorf("list the threads: %w", err)
			}
			if done[id] {
				continue
			}
			done[id] = true
			if err := raise(id, nice); err != nil && !errors.Is(err, syscall.ESRCH) { // it has ended
				return fmt.Errorf("set the nice value %d: %w", nice, err)
			}
		}
		if len(done) == before {
			return nil
		}
	}
}

// raise raises a thread's nice value to at least the one given.
func raise(thread, nice int) error {
	present, err := syscall.Getpriority(syscall.PRIO_PROCESS, thread)
	if err != nil {
		return err
	}
	if 20-present >= nice { // what the system call gives is never negative
		return nil
	}
	return syscall.Setpriority(syscall.PRIO_PROCESS, thread, nice)
}
