package reference

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"
)

func render(t *testing.T) *Page {
	t.Helper()
	document, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	page, err := Render(document)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestPageHasAllOfTheDocument(t *testing.T) {
	page := string(render(t).HTML)
	document, err := os.ReadFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		`operationId: (\w+)\n      tags`:    `<h3 id="%">`,
		`(?m)^  (/\S+):$`:                   ` %</code>`,
		`(?m)^ +- name: (\w+)$`:             `<td><code>%</code></td>`,
		`(?m)^    \w+:\n      name: (\S+)$`: `<td><code>%</code></td>`,
		`(?m)^        '(\d+)':`:             `<td><code>%</code></td>`,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(document), -1)
		if len(found) == 0 {
			t.Errorf("the document has nothing of the form %s", pattern)
		}
		for _, match := range found {
			if text := strings.Replace(want, "%", match[1], 1); !strings.Contains(page, text) {
				t.Errorf("the page does not have %s", text)
			}
		}
	}
	for _, text := range []string{
		`<code>data.rankings[].userEnrichmentDetails.mobile</code>`, `<code>data.userRanks[].totalUsersInTargetGroup</code>`,
		`integer from 1; 10 without it`, `&#34;achievedValue&#34;: 2000.46`, `<code>[].targetGroupId</code>`, `string or null`,
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not have %s", text)
		}
	}
	for _, text := range []string{"$ref", "<no value>", "map["} {
		if strings.Contains(page, text) {
			t.Errorf("the page has %s", text)
		}
	}
}

func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	page := render(t)
	html := string(page.HTML)
	for _, match := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		target, isHere := strings.CutPrefix(match[1], "#")
		if isHere && !strings.Contains(html, `id="`+target+`"`) {
			t.Errorf("a link leads to #%s, which is not there", target)
		}
		if !isHere && target != "openapi.yaml" {
			t.Errorf("the page refers to %s", target)
		}
	}
	if found := regexp.MustCompile(`<script| style=| on\w+=|@import|url\(`).FindString(html); found != "" {
		t.Errorf("the page has %s", found)
	}
	_, style, _ := strings.Cut(html, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !strings.Contains(page.Policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.Contains(style, "prefers-color-scheme: dark") {
		t.Errorf("the policy %s is not that of the style", page.Policy)
	}
}

func TestDocumentsThatCannotBeShown(t *testing.T) {
	for _, document := range []string{"\t", "paths: 1", "paths: {/x: {get: {responses: {'200': {$ref: '#/components/nothing'}}}}}"} {
		if _, err := Render([]byte(document)); err == nil {
			t.Errorf("%s is shown", document)
		}
	}
}
