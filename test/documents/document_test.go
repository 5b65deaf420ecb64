package documents

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

var root = filepath.Join("..", "..")

// document is a Markdown file of the repository.
type document struct {
	// path is below the root, with slashes.
	path   string
	links  []string
	blocks []block
	// anchors are the headings as a link names them.
	anchors map[string]bool
}

// block is a fenced piece of a document.
type block struct {
	language, text string
	// section is the heading that it stands under.
	section string
	// notRun says why a test does not run it, from the comment before it:
	// <!-- not run: because -->.
	notRun string
}

// readDocuments reads all documents, by path.
func readDocuments(t *testing.T) map[string]document {
	t.Helper()
	documents := map[string]document{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || (strings.HasPrefix(name, ".") && name != ".")):
			return filepath.SkipDir
		case filepath.Ext(name) == ".md":
			documents[filepath.ToSlash(name)] = readDocument(t, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

var notRun = regexp.MustCompile(`(?s)^<!-- not run: (.+) -->\s*$`)

func readDocument(t *testing.T, path string) document {
	t.Helper()
	source := readFile(t, path)
	d := document{path: path, anchors: map[string]bool{}}
	section := ""
	markdown := goldmark.New(goldmark.WithExtensions(extension.GFM))
	err := ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := node.(type) {
		case *ast.Heading:
			section = plainText(n, source)
			d.anchors[anchor(section)] = true
		case *ast.Link:
			d.links = append(d.links, string(n.Destination))
		case *ast.Image:
			d.links = append(d.links, string(n.Destination))
		case *ast.FencedCodeBlock:
			b := block{language: string(n.Language(source)), text: string(n.Lines().Value(source)), section: section}
			if comment, is := n.PreviousSibling().(*ast.HTMLBlock); is {
				if match := notRun.FindStringSubmatch(string(comment.Lines().Value(source))); match != nil {
					b.notRun = match[1]
				}
			}
			d.blocks = append(d.blocks, b)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// plainText is what is read of a node.
func plainText(node ast.Node, source []byte) string {
	var words strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		if piece, is := child.(*ast.Text); is {
			words.Write(piece.Value(source))
		} else {
			words.WriteString(plainText(child, source))
		}
	}
	return words.String()
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, heading)
}

// readFile reads a file of the repository.
func readFile(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
