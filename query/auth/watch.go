package auth

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
)

// watchedFile is a file that is used again whenever it changes. It is read each
// time and held against what was read before: neither its time nor its inode tells
// as much where it is mounted, linked or copied.
type watchedFile struct {
	// name says what it is: the clients file.
	name, path string
	// use takes the contents, or says why they cannot be used.
	use func(data []byte) error
	log *slog.Logger
	// current is 1 while what is used is what the file says.
	current prometheus.Gauge

	seen    []byte
	problem string
}

// read reads the file for the first time.
func (f *watchedFile) read() error {
	_, err := f.refresh()
	return err
}

// poll reads the file again. What was read before stays in use when that fails,
// which is logged once.
func (f *watchedFile) poll() {
	changed, err := f.refresh()
	switch {
	case err != nil && err.Error() != f.problem:
		f.problem = err.Error()
		f.log.Error("a changed file cannot be used; what it said before stays in force", "file", f.name, "error", err)
	case err == nil && (changed || f.problem != ""):
		f.problem = ""
		f.log.Info("a changed file is in force", "file", f.name, "path", f.path)
	}
}

func (f *watchedFile) refresh() (changed bool, err error) {
	defer func() {
		if err != nil {
			f.current.Set(0)
		} else {
			f.current.Set(1)
		}
	}()
	data, err := os.ReadFile(f.path)
	if err != nil {
		return false, fmt.Errorf("cannot read %s: %w", f.name, err)
	}
	changed = !bytes.Equal(data, f.seen)
	if changed {
		if err := f.use(data); err != nil {
			return false, fmt.Errorf("%s %s is not valid: %w", f.name, f.path, err)
		}
		f.seen = data
	}
	return changed, nil
}
