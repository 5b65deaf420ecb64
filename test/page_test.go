package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/segmentio/kafka-go"

	"leaderboard/test/programs"
)

// shown limits what the page needs no luck for, on a machine that is busy.
const shown = time.Minute

// startPage runs `leaderboard dev` on a board of 60 users: user 1000 has 100 points,
// user 1001 one less, and so on.
func startPage(t *testing.T, args ...string) *dev {
	t.Helper()
	file := filepath.Join(t.TempDir(), "activities.jsonl")
	var lines strings.Builder
	for i := range 60 {
		fmt.Fprintf(&lines, `{"orgId":50711,"userId":%d,"targetGroupId":232,"targetRuleId":366,"value":%d,"activityTime":"2022-11-25T16:14:40.000Z"}`+"\n", 1000+i, 100-i)
	}
	profiles := filepath.Join(t.TempDir(), "profiles.jsonl")
	writeFile(t, profiles, `{"orgId":50711,"userId":1000,"attributes":{"first_name":"Tom","last_name":"<i>Sawyer</i>"}}`+"\n")
	writeFile(t, file, lines.String())
	d := startDev(t, os.Getenv("PATH"), append([]string{
		"--catalog", absolute(t, filepath.Join("..", "deploy", "example", "catalog.yaml")), "--activities", file, "--profiles", profiles,
	}, args...)...)
	d.AwaitRecords(60)
	return d
}

// publishPoints gives a user points.
func (d *dev) publishPoints(user, points int) {
	d.t.Helper()
	writer := &kafka.Writer{Addr: kafka.TCP(d.broker), Topic: activitiesTopic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond}
	defer writer.Close()
	err := writer.WriteMessages(d.t.Context(), kafka.Message{
		Key:   fmt.Appendf(nil, "50711:%d", user),
		Value: fmt.Appendf(nil, `{"orgId":50711,"userId":%d,"targetGroupId":232,"targetRuleId":366,"value":%d,"activityTime":"2022-11-26T16:14:40.000Z"}`, user, points),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (b *browser) awaitBoard() {
	b.t.Helper()
	b.await(`document.querySelectorAll("#rows tr").length === 25 && document.getElementById("live").dataset.state === "live"`)
}

// search types a user's id, and Enter.
func (b *browser) search(user int) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS("#user"), fmt.Sprint(user)), chromedp.SendKeys(chromedp.CSS("#user"), "\r"))
}

// find asks the page for a user and waits for that one's neighbours.
func (b *browser) find(user int) {
	b.t.Helper()
	b.search(user)
	b.await(fmt.Sprintf(`document.querySelector("tr.found")?.dataset.user === "%d" && document.activeElement.dataset.user === "%[1]d"`, user))
}

func (b *browser) expectWidth(width int) {
	b.t.Helper()
	if got := eval[int](b, `Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)`); got > width {
		b.t.Errorf("the page is %d wide in a window of %d", got, width)
	}
}

// TestPage looks at `leaderboard dev` with a real browser.
func TestPage(t *testing.T) {
	d := startPage(t)
	address, err := url.Parse(d.API())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.Log(), "  page       "+d.API()+"/\n") {
		t.Error("the banner does not say where the page is")
	}

	t.Run("wide", func(t *testing.T) {
		b := openBrowser(t, 1100, 900, "light")
		b.do(chromedp.Navigate(d.API() + "/"))
		b.awaitBoard()
		if got := eval[string](b, `document.querySelector("#rows .name").textContent`); got != "Tom <i>Sawyer</i>" {
			t.Errorf("the first is %q", got)
		}
		expectQuickMove(b, d)

		b.find(1030)
		ranks := eval[[]int](b, `[...document.querySelectorAll("#rows .place")].map((place) => Number(place.textContent))`)
		if len(ranks) != 15 || ranks[0] < 10 || ranks[14] != ranks[0]+14 {
			t.Errorf("the neighbours have the ranks %v", ranks)
		}
		if got := eval[string](b, `document.getElementById("announcer").textContent`); !strings.HasPrefix(got, "User 1030 has rank ") || !strings.HasSuffix(got, " of 60.") {
			t.Errorf("announced is %q", got)
		}
		d.publishPoints(1030, 1_000_000)
		b.await(`document.querySelector("tr.found .place").textContent === "1"`)
		b.do(chromedp.Click(chromedp.CSS("#top")))
		b.awaitBoard()
		b.do(chromedp.Click(chromedp.CSS("#next")))
		b.await(`document.getElementById("range").textContent === "26–50 of 60"`)
		b.search(77)
		b.await(`document.getElementById("notice").textContent === "User 77 is not on this board."`)
		b.expectQuiet(address.Host)
	})

	t.Run("phone", func(t *testing.T) {
		b := openBrowser(t, 360, 740, "dark")
		b.do(chromedp.Navigate(d.API() + "/"))
		b.awaitBoard()
		b.expectWidth(360)
		b.find(1040)
		b.expectWidth(360)
		b.expectQuiet(address.Host)
	})
	d.interrupt()
}

// expectQuickMove has users take the lead by turns. One of them has to be seen in
// front within two seconds: the machine may be busy at any one time.
func expectQuickMove(b *browser, d *dev) {
	b.t.Helper()
	const tries = 5
	for try := range tries {
		user := 1010 + try
		d.publishPoints(user, 1000*(try+1))
		first := fmt.Sprintf(`document.querySelector("#rows tr").dataset.user === "%d"`, user)
		_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](first, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(2*time.Second)))
		if err == nil {
			return
		}
		b.t.Logf("user %d was not in front within two seconds: %v", user, err)
		b.await(first)
	}
	b.t.Errorf("of %d users who took the lead none was seen there within two seconds", tries)
}

// TestPageSignsIn is that of a service with clients of its own.
func TestPageSignsIn(t *testing.T) {
	clients := filepath.Join(t.TempDir(), "clients.json")
	programs.Run(t, "clients", "add", "--file", clients, "--id", "shop", "--org", "50711", "--secret", "change-me", "--access", "top")
	d := startPage(t, "--clients-file", clients)
	b := openBrowser(t, 1100, 900, "light")
	b.do(chromedp.Navigate(d.API() + "/"))
	b.await(`!document.getElementById("sign-in").hidden`)
	if text := eval[string](b, `document.documentElement.outerHTML`); strings.Contains(text, "data-secret") {
		t.Error("the page has a secret")
	}
	signIn := func(secret string) {
		b.do(chromedp.SetValue(chromedp.CSS("#id"), "shop"), chromedp.SetValue(chromedp.CSS("#secret"), secret), chromedp.Click(chromedp.CSS("#sign-in button")))
	}
	signIn("wrong")
	b.await(fmt.Sprintf(`document.getElementById("refusal").textContent === %q`, textAuthentication))
	signIn("change-me")
	b.awaitBoard()
	if got := eval[string](b, `document.querySelector("#rows .name").textContent`); got != "User 1000" {
		t.Errorf("without access to the fields the first is %q", got)
	}
	kept := eval[string](b, `location.href + document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)`)
	if strings.Contains(kept, "change-me") || !strings.Contains(kept, `\"client\":\"shop\"`) {
		t.Errorf("kept is %s", kept)
	}
	b.do(chromedp.Reload())
	b.awaitBoard()
	b.do(chromedp.Click(chromedp.CSS("#sign-out")))
	b.await(`!document.getElementById("sign-in").hidden && sessionStorage.length === 0 && document.querySelectorAll("#rows tr").length === 0`)
}

func TestQueryHasThePageWhenAsked(t *testing.T) {
	with, without := startQuery(t, "--page"), startQuery(t)
	root := queryRequest{path: "/", client: "-"}
	if res := with.ask(root); res.status != http.StatusOK || !strings.Contains(res.body, "<title>leaderboard</title>") || strings.Contains(res.body, "data-secret") ||
		!strings.Contains(res.header.Get("Content-Security-Policy"), "default-src 'none'") || res.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("with a page: %d %v %s", res.status, res.header, res.body)
	}
	expectError(t, root, without.ask(root), 404, 404, "There is no such resource")
}

func TestQueryTellsWhatBoardsThereAre(t *testing.T) {
	s := startQueryService(t)
	groups := func(req queryRequest) []string {
		req.path = strings.TrimSuffix(topPath, "/")
		var answer struct {
			Data struct {
				Orgs []struct {
					OrgName      string
					TargetGroups []struct {
						TargetGroupID int `json:"targetGroupId"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(s.ask(req).body), &answer); err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, org := range answer.Data.Orgs {
			for _, g := range org.TargetGroups {
				found = append(found, fmt.Sprint(org.OrgName, " ", g.TargetGroupID))
			}
		}
		return found
	}
	for _, c := range []struct {
		req  queryRequest
		want string
	}{
		{queryRequest{}, "[Acme 231 Acme 232 Acme 235]"},
		{queryRequest{client: "parent"}, "[Holding 132]"},
		{queryRequest{client: "parent", headers: scopeHeaders("ALL", "")}, "[Holding 132 Acme 231 Acme 232 Acme 235 Sibling 332]"},
		{queryRequest{client: "parent", headers: scopeHeaders("OTHER", "50712")}, "[Sibling 332]"},
		{queryRequest{client: "many"}, "[]"},
	} {
		if got := fmt.Sprint(groups(c.req)); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.req.client, c.req.headers, got, c.want)
		}
	}
	list := strings.TrimSuffix(topPath, "/")
	for _, c := range []struct {
		req          queryRequest
		status, code int
		message      string
	}{
		{queryRequest{path: list, client: "-"}, 401, 401, textAuthentication},
		{queryRequest{path: list, client: "rankonly"}, 403, 4000, textAccess},
		{queryRequest{path: list, client: "off"}, 400, 310133, textDisabledOrgs + "[600]"},
		{queryRequest{path: list, headers: scopeHeaders("OTHER", "123")}, 400, 51512, textHierarchy + "[123]"},
	} {
		expectError(t, c.req, s.ask(c.req), c.status, c.code, c.message)
	}
}

// TestPagePicture draws the page of `leaderboard dev` as it is after half a minute.
func TestPagePicture(t *testing.T) {
	path := os.Getenv("PAGE_PICTURE")
	if path == "" {
		t.Skip("only with PAGE_PICTURE, as `make page-picture` does")
	}
	d := startDev(t, os.Getenv("PATH"))
	b := openBrowser(t, 1000, 640, "light")
	b.do(chromedp.Navigate(d.API() + "/"))
	b.awaitBoard()
	d.AwaitRecords(3000)
	b.await(`document.querySelectorAll("#rows .moved:not(:empty)").length > 2`)
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(picture))
	d.interrupt()
}
