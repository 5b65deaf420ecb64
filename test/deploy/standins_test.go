package deploy

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// standIn is what an image is made of for an engine that cannot get the public image
// of that name: files of this machine, where they lie here or at another place, and
// what they need beside them.
type standIn struct {
	files       map[string]string // from a place to the file or directory of this machine that goes there
	texts       map[string]string // from a place to what is written there
	directories map[string]int    // places that the user of that id may write to
	changes     []string          // as in a Dockerfile
}

// provide makes the image of that name unless the engine can get it by itself. It is
// the public image's program, in the version of this machine, with the paths and the
// users of that image as far as the composition and the Dockerfile go by them.
func provide(t *testing.T, name string, makeStandIn func(*testing.T) standIn) {
	t.Helper()
	e := getEngine(t)
	if e.own == nil {
		return
	}
	s := makeStandIn(t)
	args := []string{"import"}
	for _, change := range s.changes {
		args = append(args, "--change", change)
	}
	cmd := e.client(t.Context(), append(args, "-", name)...)
	reader, writer := io.Pipe()
	cmd.Stdin = reader
	go func() { writer.CloseWithError(s.write(writer)) }()
	if out, code := run(t, cmd); code != 0 {
		t.Fatalf("docker import %s: %s", name, out)
	}
}

// write writes the files as a tar archive, which knows no links: what a link leads to
// is written in its place.
func (s standIn) write(to io.Writer) error {
	files := maps.Clone(s.files)
	for _, from := range s.files {
		libraries, err := librariesIn(from)
		if err != nil {
			return err
		}
		for _, library := range libraries {
			files[library] = library
		}
	}
	archive := tar.NewWriter(to)
	for at, from := range files {
		if err := addTree(archive, from, at); err != nil {
			return err
		}
	}
	for at, text := range s.texts {
		header := &tar.Header{Name: at[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.WriteString(archive, text); err != nil {
			return err
		}
	}
	for at, user := range s.directories {
		if err := archive.WriteHeader(&tar.Header{Name: at[1:] + "/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: user}); err != nil {
			return err
		}
	}
	err := archive.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	return errors.Join(err, archive.Close())
}

// addTree adds what lies at from, a file or a directory with all that is in it.
func addTree(archive *tar.Writer, from, at string) error {
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) { // a link that leads nowhere
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(from)
		for _, entry := range entries {
			err = errors.Join(err, addTree(archive, filepath.Join(from, entry.Name()), filepath.Join(at, entry.Name())))
		}
		return err
	}
	header := &tar.Header{Name: at[1:], Typeflag: tar.TypeReg, Mode: int64(info.Mode().Perm()), Size: info.Size()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}

var library = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x`)

// librariesIn are the shared libraries that a program is linked with, or those in a
// directory are.
func librariesIn(path string) ([]string, error) {
	linked := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		linked = nil
		err := filepath.WalkDir(path, func(at string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(at, ".so") {
				linked = append(linked, at)
			}
			return err
		})
		if err != nil || linked == nil {
			return nil, err
		}
	}
	said, _ := exec.Command("ldd", linked...).Output() // it fails for a program without libraries
	var libraries []string
	for _, match := range library.FindAllSubmatch(said, -1) {
		if at := string(match[1]); !strings.HasPrefix(at, path) {
			libraries = append(libraries, at)
		}
	}
	return libraries, nil
}

// busybox are the programs of the small distributions that public images are made of.
func busybox(names ...string) map[string]string {
	files := map[string]string{}
	for _, name := range names {
		files["/bin/"+name] = "/bin/busybox"
	}
	return files
}
