// Package reference makes a page to read of an OpenAPI document.
package reference

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// Page is HTML without scripts and without anything from elsewhere.
type Page struct {
	HTML []byte
	// Policy is the Content-Security-Policy that lets the page have its own style and
	// nothing else.
	Policy string
}

//go:embed page.html
var pageText string

// Render makes the page. The document's texts are trusted: they may hold HTML.
func Render(document []byte) (*Page, error) {
	described, err := read(document)
	if err != nil {
		return nil, err
	}
	functions := template.FuncMap{"markdown": markdown, "indented": indented}
	parsed, err := template.New("page").Funcs(functions).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	if err := parsed.Execute(&html, described); err != nil {
		return nil, err
	}
	_, rest, _ := bytes.Cut(html.Bytes(), []byte("<style>"))
	style, _, _ := bytes.Cut(rest, []byte("</style>"))
	sum := sha256.Sum256(style)
	return &Page{
		HTML: html.Bytes(),
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}, nil
}

var converter = goldmark.New(goldmark.WithExtensions(extension.Table))

func markdown(text string) (template.HTML, error) {
	var html bytes.Buffer
	err := converter.Convert([]byte(text), &html)
	return template.HTML(html.String()), err //nolint:gosec // goldmark leaves out HTML, and the text is the program's own
}
