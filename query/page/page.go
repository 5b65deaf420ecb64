// Package page is the page on which people see a board live in a browser. It calls
// the API as any other client does, with the credentials that its reader types in.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"time"
)

//go:embed index.html page.css icon.svg *.js
var files embed.FS

// SignIn are credentials with which the page signs in by itself: whoever can open the
// page can read them. The zero value is none, for a page that asks for them.
type SignIn struct {
	ID, Secret string
}

// headers are those of the page's files: nothing from another host, nothing inline,
// nobody's frame.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Referrer-Policy":            "no-referrer",
	"Cache-Control":              "no-cache",
}

// New makes the handler of / and of what is below /page/.
func New(signIn SignIn) (http.Handler, error) {
	mux := http.NewServeMux()
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if name == "index.html" {
			if content, err = fill(content, signIn); err != nil {
				return nil, err
			}
			mux.Handle("GET /{$}", file(name, content))
		} else {
			mux.Handle("GET /page/"+name, file(name, content))
		}
	}
	return mux, nil
}

// fill writes the credentials into the page.
func fill(content []byte, signIn SignIn) ([]byte, error) {
	index, err := template.New("page").Parse(string(content))
	if err != nil {
		return nil, err
	}
	var filled bytes.Buffer
	err = index.Execute(&filled, signIn)
	return filled.Bytes(), err
}

// file serves one file, which a browser asks for again each time, and gets when it
// has changed.
func file(name string, content []byte) http.HandlerFunc {
	hash := fnv.New64a()
	hash.Write(content)
	tag := fmt.Sprintf(`W/"%x"`, hash.Sum64())
	return func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	}
}
