package simulation

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard"
	"leaderboard/cmd/internal/feed"
	"leaderboard/consumer"
)

func madeUp(t *testing.T, now time.Time, boards int) leaderboard.CatalogDocument {
	t.Helper()
	catalog, err := Catalog(now, boards)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func TestCatalogIsValidAndRunning(t *testing.T) {
	now := time.Date(2024, 2, 29, 18, 45, 0, 0, time.UTC) // 1 March in Kolkata
	catalog := madeUp(t, now, DefaultBoards)
	if err := catalog.Validate(); err != nil {
		t.Fatal(err)
	}
	if catalog.Orgs[0].OrgID != Org || len(catalog.TargetGroups[0].Periods) != 2*monthsAround+1 {
		t.Errorf("catalog is %+v", catalog)
	}
	running := catalog.TargetGroups[0].PeriodAt(leaderboard.MillisOf(now))
	if running == nil || running.PeriodID != 202403 || running.Start.Format(time.RFC3339) != "2024-03-01T00:00:00+05:30" {
		t.Errorf("the running period is %+v", running)
	}
}

func TestCatalogHasAsManyBoardsAsAskedFor(t *testing.T) {
	catalog := madeUp(t, time.Now(), 5)
	if err := catalog.Validate(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, target := range catalog.TargetGroups[0].Targets {
		names = append(names, target.Name)
	}
	want := []string{"spend", "largest basket", "smallest basket", "spend 2", "largest basket 2"}
	if !slices.Equal(names, want) {
		t.Errorf("the targets are %q, want %q", names, want)
	}
}

func TestProfilesAreValid(t *testing.T) {
	const users = 1000
	lines, err := Profiles(Org, users)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for line := range strings.Lines(lines) {
		key, err := feed.ProfileKey([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		keys[key] = true
	}
	if len(keys) != users || !keys["50711:381329001"] {
		t.Errorf("%d profiles", len(keys))
	}
}

// count is how many activities of n each user and each target gets.
func count(t *testing.T, c Config, n int) (users map[leaderboard.UserID]int, rules map[leaderboard.TargetRuleID]int) {
	t.Helper()
	now := time.Now()
	lines, err := New(c, now, rand.New(rand.NewPCG(1, 2))).next(n, now)
	if err != nil {
		t.Fatal(err)
	}
	users, rules = map[leaderboard.UserID]int{}, map[leaderboard.TargetRuleID]int{}
	for line := range strings.Lines(lines) {
		a, err := consumer.DecodeActivity([]byte(line), leaderboard.MillisOf(now))
		if err != nil {
			t.Fatal(err)
		}
		if a.OrgID != Org || a.GroupID != 232 || a.Time != leaderboard.MillisOf(now) || a.Value <= 0 ||
			a.UserID < FirstUser || a.UserID >= FirstUser+leaderboard.UserID(c.Users) {
			t.Fatalf("activity is %+v", a)
		}
		users[a.UserID]++
		rules[a.RuleID]++
	}
	return users, rules
}

func TestFewUsersDoMuch(t *testing.T) {
	const middle = FirstUser + 500
	catalog := madeUp(t, time.Now(), DefaultBoards)
	users, rules := count(t, Config{Catalog: catalog, Users: 1000, Skew: DefaultSkew}, 3000)
	if len(rules) != DefaultBoards || users[FirstUser] < 10*users[middle] {
		t.Errorf("%d targets; the first user has %d activities, the middle one %d", len(rules), users[FirstUser], users[middle])
	}
	few, _ := count(t, Config{Catalog: catalog, Users: 1000, Skew: 3}, 3000)
	if few[FirstUser] <= users[FirstUser] {
		t.Errorf("with more skew the first user has %d activities instead of %d", few[FirstUser], users[FirstUser])
	}
}

func TestAllUsersDoTheSameWithoutSkew(t *testing.T) {
	users, _ := count(t, Config{Catalog: madeUp(t, time.Now(), 1), Users: 10}, 10_000)
	for user, n := range users {
		if n < 800 || n > 1200 {
			t.Errorf("user %d has %d of 10000 activities", user, n)
		}
	}
	if alone, _ := count(t, Config{Catalog: madeUp(t, time.Now(), 1), Users: 1, Skew: 2}, 10); alone[FirstUser] != 10 {
		t.Errorf("the only user has %d of 10 activities", alone[FirstUser])
	}
}

func TestOnlyRunningBoardsOfTheOrganisationGetActivities(t *testing.T) {
	now := time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	catalog := madeUp(t, now, 4)
	for _, c := range []struct {
		config Config
		boards int
	}{
		{Config{Catalog: catalog}, 4},
		{Config{Catalog: catalog, Boards: 2}, 2},
		{Config{Catalog: catalog, Org: Org, Boards: 9}, 4},
	} {
		c.config.Users = 1
		if got := New(c.config, now, random).Boards(); got != c.boards {
			t.Errorf("%d boards get activities, want %d", got, c.boards)
		}
	}
	if New(Config{Catalog: catalog, Org: parent, Users: 1}, now, random) != nil {
		t.Error("there is a simulation of an organisation without boards")
	}
	for i := range catalog.TargetGroups {
		catalog.TargetGroups[i].Periods = nil
	}
	if New(Config{Catalog: catalog, Users: 1}, now, random) != nil {
		t.Error("there is a simulation without a running period")
	}
}

// TestRunEnds counts what the log has got when the limit is reached, and when the
// context ends in the middle.
func TestRunEnds(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	cluster, topics := consumer.Cluster{Brokers: broker.ListenAddrs()}, consumer.DefaultTopics()
	if _, err := cluster.EnsureTopics(t.Context(), topics.Plan(2)); err != nil {
		t.Fatal(err)
	}
	inLog := func() (records int64) {
		extents, err := consumer.Extents(t.Context(), cluster, topics.Activities)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range extents {
			records += e.End
		}
		return records
	}
	s := New(Config{Catalog: madeUp(t, time.Now(), 1), Users: 10}, time.Now(), rand.New(rand.NewPCG(1, 2)))
	writer := cluster.Writer(topics.Activities)
	defer func() { _ = writer.Close() }()

	told := 0
	if err := s.Run(t.Context(), writer, 1000, 250, func(n int) { told += n }); err != nil || told != 250 || inLog() != 250 {
		t.Errorf("told of %d, in the log %d, %v", told, inLog(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Run(ctx, writer, 100, 0, func(n int) {
		told += n
		if told >= 280 {
			cancel()
		}
	})
	if err != nil || told != 280 || inLog() != 280 {
		t.Errorf("after the end told of %d, in the log %d, %v", told, inLog(), err)
	}
}
