package query

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/query/auth"
)

// benchRecord is a profile as the topic has it.
const benchRecord = `{"orgId":1,"userId":300000001,"attributes":{"first_name":"First","last_name":"Last","mobile":"919988221100","email":"user@example.com","gender":"Female","birthday":"1990-01-31","anniversary":"2015-06-30"}}`

var benchExtras = []string{"birthday", "gender", "anniversary"}

func benchOrg(b *testing.B) *leaderboard.Org {
	b.Helper()
	catalog := leaderboard.NewCatalog()
	record := `{"orgId":1,"timeZone":"Asia/Kolkata","enrichment":["` + strings.Join(benchExtras, `","`) + `"]}`
	if err := catalog.Set("org:1", []byte(record)); err != nil {
		b.Fatal(err)
	}
	return catalog.Org(1)
}

func BenchmarkWritingARankedList(b *testing.B) {
	org := benchOrg(b)
	synced := leaderboard.Millis(1_719_230_820_000)
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := &topData{
				topBoard: topBoard{org: org, group: &leaderboard.TargetGroup{Name: "Target"}, target: &leaderboard.Target{Name: "target1"}, period: &leaderboard.Period{RefCode: "period"}},
				page:     page{synced: &synced},
				fields:   topFields(org),
			}
			for i := range n {
				d.page.entries = append(d.page.entries, leaderboard.Entry{UserID: leaderboard.UserID(300_000_001 + i), Value: 2000_460, LastActivity: synced - leaderboard.Millis(i)})
				d.attributes = append(d.attributes, make([]string, len(d.fields.names)))
			}
			answer := &envelope{pagination: &pagination{}, data: d}
			var body []byte
			b.ReportAllocs()
			for b.Loop() {
				for i := range d.attributes {
					values, err := d.fields.profile(benchRecord)
					if err != nil {
						b.Fatal(err)
					}
					d.attributes[i] = values
				}
				body = answer.appendJSON(body[:0])
			}
			b.SetBytes(int64(len(body)))
		})
	}
}

func BenchmarkWriting25Ranks(b *testing.B) {
	org := benchOrg(b)
	synced := leaderboard.Millis(1_719_230_820_000)
	d := &rankData{user: 300_000_001, orgs: scope{org}, attributes: []string{"919988221100", "Last", "First", "user@example.com"}}
	for i := range maxItems {
		d.boards = append(d.boards, leaderboard.Board{Org: 1, Group: 232, Rule: leaderboard.TargetRuleID(i), Period: 243})
		d.standings = append(d.standings, &standing{entry: leaderboard.Entry{Value: 3000_000, LastActivity: synced}, rank: 1771, total: 4527, synced: &synced})
	}
	answer := &envelope{data: d}
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		body = answer.appendJSON(body[:0])
	}
	b.SetBytes(int64(len(body)))
}

func BenchmarkReadingParameters(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/?targetId=366&periodId=243&pageSize=10&pageOffset=3", http.NoBody)
	r.SetPathValue("targetGroupId", "232")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseTopParameters(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReading25Items(b *testing.B) {
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"orgId":50711,"targetGroupId":232,"targetRuleId":366,"periodId":243},`, maxItems), ",") + "]"
	b.ReportAllocs()
	for b.Loop() {
		if asked, err := readRankItems(body, 1); err != nil || len(asked.items) != maxItems {
			b.Fatal(err)
		}
	}
}

// smallService answers from the embedded store, which holds a board of 100 users.
func smallService(b testing.TB, adjust ...func(*Config)) http.Handler {
	b.Helper()
	store := miniredis.RunT(b)
	client := redis.NewClient(&redis.Options{Addr: store.Addr()})
	b.Cleanup(func() { _ = client.Close() })
	var clients auth.Clients
	if err := clients.Add("shop", 1, "secret"); err != nil {
		b.Fatal(err)
	}
	layout := leaderboard.Layout{Generation: 1, Shards: 1}
	board := leaderboard.Board{Org: 1, Group: 2, Rule: 3, Period: 4}
	store.HSet(leaderboard.MetaKey, leaderboard.MetaRead, "1", leaderboard.MetaShards(1), "1")
	store.HSet(leaderboard.CatalogKey, "org:1", `{"orgId":1,"timeZone":"Asia/Kolkata","enrichment":["birthday","gender","anniversary"]}`,
		"group:1:2", `{"targetGroupId":2,"orgId":1,"periods":[{"periodId":4,"start":"2020-01-01T00:00:00Z","end":"2120-01-01T00:00:00Z"}],"targets":[{"targetRuleId":3}]}`)
	store.HSet(layout.BoardsKey(0), board.String(), "1719230820000")
	for user := leaderboard.UserID(1); user <= 100; user++ {
		member := leaderboard.Member(1_719_230_820_000, user)
		client.ZAdd(b.Context(), layout.RankKey(board), redis.Z{Score: float64(user * 1000), Member: member[:]})
		client.HSet(b.Context(), layout.UsersKey(board), leaderboard.UserField(user), leaderboard.MemberTime(1_719_230_820_000))
		client.HSet(b.Context(), leaderboard.ProfilesKey(1), leaderboard.MemberUser(user), benchRecord)
	}
	cfg := Config{Redis: client, Clients: &clients, RequestTimeout: time.Minute}
	for _, f := range adjust {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	s.refresh(b.Context())
	return s.Handler()
}

// memory replies to pipelines of reads as the store did when it was asked first. The
// embedded store and its Lua are in this process, and are not to count.
type memory struct {
	passingHook
	replies sync.Map
}

// commandKey tells commands apart as far as those of one benchmark differ: a script, or
// a key, and how much is asked.
type commandKey struct {
	subject any
	args    int
}

func (m *memory) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			read, isRead := cmd.(*redis.Cmd)
			if !isRead {
				return next(ctx, cmds)
			}
			key := commandKey{read.Args()[1], len(read.Args())}
			if reply, known := m.replies.Load(key); known {
				read.SetVal(reply)
			} else if next(ctx, []redis.Cmder{cmd}) == nil {
				m.replies.Store(key, read.Val())
			}
		}
		return nil
	}
}

func BenchmarkAnswering(b *testing.B) {
	handler := smallService(b, func(cfg *Config) {
		cfg.Redis.(*redis.Client).AddHook(new(memory))
	})
	for name, target := range map[string]string{
		"top10": "/v3.1/leaderboards/targetGroups/2?targetId=3",
		"rank":  "/v3.1/leaderboards/user/7",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, target, http.NoBody)
					r.SetBasicAuth("shop", "secret")
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Errorf("%d: %s", w.Code, w.Body)
					}
				}
			})
		})
	}
}

// nothing takes an answer and forgets it.
type nothing struct{ header http.Header }

func (n *nothing) Header() http.Header         { return n.header }
func (n *nothing) WriteHeader(int)             {}
func (n *nothing) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkFront is what goes with every request beside the answer itself: without
// and with a client that accepts gzip.
func BenchmarkFront(b *testing.B) {
	s, err := New(Config{Redis: redis.NewClient(&redis.Options{}), Clients: new(auth.Clients)})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"rankings":[` + strings.TrimSuffix(strings.Repeat(benchRecord+",", 10), ",") + `]}`)
	handler := front(s.serve(route{pattern: "/", answer: func(*call) ([]byte, error) { return body, nil }}), nil)
	for _, encoding := range []string{"", "gzip"} {
		b.Run("encoding="+encoding, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", http.NoBody)
			if encoding != "" {
				r.Header.Set("Accept-Encoding", encoding)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(&nothing{header: make(http.Header)}, r)
			}
		})
	}
}
