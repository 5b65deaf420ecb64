package test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// api is a client of the HTTP API.
type api struct {
	t          *testing.T
	url        string
	id, secret string
}

func newAPI(t *testing.T, url, id, secret string) *api {
	return &api{t: t, url: url, id: id, secret: secret}
}

// ask asks, with a JSON body when there is one, and reads a successful answer.
func (a *api) ask(path, body string, into any) error {
	request, err := http.NewRequest(http.MethodGet, a.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.SetBasicAuth(a.id, a.secret)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s %w\n%s", path, response.Status, err, answer)
	}
	return json.Unmarshal(answer, into)
}

// ranking is one entry as the API tells it.
type ranking struct {
	Rank   int         `json:"rank"`
	User   int64       `json:"userId"`
	Value  json.Number `json:"achievedValue"`
	At     time.Time   `json:"lastActivityTimeISO"`
	Group  int64       `json:"targetGroupId"`
	Target int64       `json:"targetRuleId"`
	Period int64       `json:"periodId"`
	Total  int         `json:"totalUsersInTargetGroup"`

	Enrichment struct {
		FirstName string `json:"first_name"`
	} `json:"userEnrichmentDetails"`
}

// page is the first pages of a board, and how many entries the board has.
func (a *api) page(b expectedBoard, size, limit int) ([]ranking, int) {
	a.t.Helper()
	rankings, total, err := a.tryPage(b, size, limit)
	if err != nil {
		a.t.Fatal(err)
	}
	return rankings, total
}

func (a *api) tryPage(b expectedBoard, size, limit int) ([]ranking, int, error) {
	var answer struct {
		Pagination struct{ Total int }
		Data       struct{ Rankings []ranking }
	}
	err := a.ask(fmt.Sprintf("/v3.1/leaderboards/targetGroups/%d?targetId=%d&periodId=%d&pageSize=%d&pageLimit=%d",
		b.Group, b.Target, b.Period, size, limit), "", &answer)
	return answer.Data.Rankings, answer.Pagination.Total, err
}

// checkBoards compares every board of a dataset with what is expected, and the
// ranks of 200 users with their places on the pages.
func (a *api) checkBoards(d dataset) {
	a.t.Helper()
	places := map[int64][]ranking{}
	for _, b := range d.boards {
		board, total := a.page(b, 100, 100)
		if total != b.Total || len(board) != b.Total {
			a.t.Errorf("board %d/%d/%d has %d entries, total %d, want %d", b.Group, b.Target, b.Period, len(board), total, b.Total)
			continue
		}
		for i, want := range b.Top {
			a.compare(b, board[i], i+1, want)
		}
		for _, want := range b.Bottom {
			rank, _ := want[0].Int64()
			a.compare(b, board[rank-1], int(rank), [3]json.Number(want[1:]))
		}
		for _, r := range board {
			r.Group, r.Target, r.Period, r.Total = b.Group, b.Target, b.Period, b.Total
			r.Enrichment.FirstName = "" // told once for all ranks
			places[r.User] = append(places[r.User], r)
		}
	}
	a.checkRanks(places)
}

func (a *api) compare(b expectedBoard, got ranking, rank int, want [3]json.Number) {
	a.t.Helper()
	if got.Rank != rank || fmt.Sprint(got.User) != want[0].String() || got.Value != want[1] || fmt.Sprint(got.At.UnixMilli()) != want[2].String() {
		a.t.Errorf("board %d/%d/%d rank %d is %+v, want %v", b.Group, b.Target, b.Period, rank, got, want)
	}
}

// checkRanks asks for the ranks of 200 users, 25 boards at once.
func (a *api) checkRanks(places map[int64][]ranking) {
	a.t.Helper()
	users := make([]int64, 0, len(places))
	for user := range places {
		users = append(users, user)
	}
	rand.Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	for _, user := range users[:min(200, len(users))] {
		want := places[user][:min(25, len(places[user]))]
		items := make([]string, len(want))
		for i, r := range want {
			items[i] = fmt.Sprintf(`{"targetGroupId":%d,"targetRuleId":%d,"periodId":%d}`, r.Group, r.Target, r.Period)
		}
		var answer struct {
			Data struct{ UserRanks []ranking }
		}
		if err := a.ask(fmt.Sprintf("/v3.1/leaderboards/user/%d", user), "["+strings.Join(items, ",")+"]", &answer); err != nil {
			a.t.Fatal(err)
		}
		if len(answer.Data.UserRanks) != len(want) {
			a.t.Errorf("user %d has %d ranks, want %d", user, len(answer.Data.UserRanks), len(want))
			continue
		}
		for i, got := range answer.Data.UserRanks {
			if got.User = user; got != want[i] {
				a.t.Errorf("user %d has rank %+v, but stands at %+v", user, got, want[i])
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
