package feed

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
)

// Open opens a file of JSON lines; one whose name ends in .gz is unpacked.
func Open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	lines, err := Unpack(path, file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{lines, file}, nil
}

// Unpack reads what a file of that name holds.
func Unpack(path string, file io.Reader) (io.Reader, error) {
	if !strings.HasSuffix(path, ".gz") {
		return file, nil
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s is not a gzip file: %w", path, err)
	}
	return unpacked, nil
}
