package documents

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinks follows every link of the documents that stays in the repository, to the
// heading where it names one.
func TestLinks(t *testing.T) {
	documents := readDocuments(t)
	followed := 0
	for _, d := range documents {
		for _, link := range d.links {
			to, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %v", d.path, err)
				continue
			}
			if to.IsAbs() {
				continue
			}
			followed++
			target := d.path
			if to.Path != "" {
				target = path.Join(path.Dir(d.path), to.Path)
			}
			if strings.HasPrefix(target, "..") {
				t.Errorf("%s: the link %s leads out of the repository", d.path, link)
			} else if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", d.path, link, err)
			} else if to.Fragment != "" && !documents[target].anchors[to.Fragment] {
				t.Errorf("%s: %s has no heading of the link %s", d.path, target, link)
			}
		}
	}
	if followed == 0 {
		t.Error("there is no link")
	}
}
