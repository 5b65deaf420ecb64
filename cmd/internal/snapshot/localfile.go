package snapshot

import (
	"errors"
	"os"
	"path/filepath"
)

// localFile is the file that fileblob writes an object to and renames in the end; it
// leaves to us that both reach the disk. For an object in a bucket there is none.
type localFile struct{ *os.File }

// begin keeps the file from others: ids of users are in it.
func (f *localFile) begin(as func(any) bool) error {
	if as(&f.File) {
		return f.Chmod(0o600)
	}
	return nil
}

// sync brings what was written to the disk, before the file is closed and renamed.
func (f *localFile) sync() error {
	if f.File == nil {
		return nil
	}
	return f.Sync()
}

// syncName brings the name that the file was given to the disk.
func (f *localFile) syncName() error {
	if f.File == nil {
		return nil
	}
	directory, err := os.Open(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
