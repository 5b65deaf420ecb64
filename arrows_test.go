package leaderboard

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says what each room may import besides the standard library: rooms of
// this module, and the libraries that belong to one room alone.
var arrows = map[string]struct{ rooms, libraries []string }{
	".":         {},
	"consumer":  {rooms: []string{"leaderboard"}, libraries: []string{"github.com/segmentio/kafka-go", "github.com/prometheus/", "golang.org/x/", "github.com/go-json-experiment/"}},
	"projector": {rooms: []string{"leaderboard"}, libraries: []string{"github.com/redis/go-redis/", "github.com/prometheus/", "golang.org/x/"}},
	"query":     {rooms: []string{"leaderboard", "leaderboard/query/auth", "leaderboard/query/reference"}, libraries: []string{"github.com/redis/go-redis/", "github.com/prometheus/", "golang.org/x/", "github.com/go-json-experiment/", "github.com/klauspost/compress/gzhttp", "github.com/cespare/xxhash/", "github.com/rs/cors", "github.com/go-jose/", "github.com/hashicorp/golang-lru/", "github.com/yuin/goldmark", "go.yaml.in/yaml/"}},
}

// TestArrows holds the imports of every room against the picture in the README.
func TestArrows(t *testing.T) {
	for room, allowed := range arrows {
		for _, imported := range importsOf(t, room) {
			isLibrary := strings.Contains(strings.Split(imported, "/")[0], ".")
			isRoom := imported == "leaderboard" || strings.HasPrefix(imported, "leaderboard/")
			switch {
			case isRoom && !slices.Contains(allowed.rooms, imported):
				t.Errorf("room %s imports room %s", room, imported)
			case isLibrary && !slices.ContainsFunc(allowed.libraries, func(l string) bool { return strings.HasPrefix(imported, l) }):
				t.Errorf("room %s imports library %s", room, imported)
			}
		}
	}
}

// importsOf are the imports of a room's own files, tests left out.
func importsOf(t *testing.T, room string) []string {
	t.Helper()
	var imports []string
	err := filepath.WalkDir(room, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && room == "." && path != ".":
			return filepath.SkipDir
		case entry.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, name)
		}
		return nil
	})
	if err != nil || len(imports) == 0 {
		t.Fatalf("room %s imports %v (%v)", room, imports, err)
	}
	return imports
}
