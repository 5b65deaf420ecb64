package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// niceValues are those of the threads of this process.
func niceValues(t *testing.T) (values []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		// The fields from the third on follow the name, which is in parentheses; the
		// nice value is the 19th.
		_, fields, _ := strings.Cut(string(text), ") ")
		nice, err := strconv.Atoi(strings.Fields(fields)[19-3])
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, nice)
	}
	return values
}

func TestGiveWay(t *testing.T) {
	// Threads are started all the while.
	stop := make(chan struct{})
	defer close(stop)
	for range 8 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = os.ReadFile("/proc/self/status")
				}
			}
		}()
	}
	// Who has given way more keeps to it.
	for _, nice := range []int{3, 5, 1} {
		want := nice
		for _, present := range niceValues(t) {
			want = max(want, present)
		}
		if err := GiveWay(nice); err != nil {
			t.Fatal(err)
		}
		if got := niceValues(t); slices.Min(got) != want || slices.Max(got) != want {
			t.Errorf("after %d the nice values are %v, want %d only", nice, got, want)
		}
	}
}
