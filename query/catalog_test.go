package query

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"leaderboard"
)

func TestCatalogIsReadAgainWhenItsFenceMoves(t *testing.T) {
	store := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: store.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	var lines bytes.Buffer
	r := &catalogReader{redis: client, log: slog.New(slog.NewTextHandler(&lines, nil))}
	read := func(last *view) *view {
		t.Helper()
		v, err := r.read(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	store.HSet(leaderboard.MetaKey, "read", "3", "shards:3", "8")
	store.HSet(leaderboard.CatalogKey, "org:1", `{"orgId":1,"name":"before","timeZone":"UTC"}`, "org:2", `{"orgId":2}`)
	store.HSet(leaderboard.CatalogFenceKey, "0", "2")
	first := read(nil)
	if first.layout != (leaderboard.Layout{Generation: 3, Shards: 8}) || first.catalog.Org(1).Name != "before" || first.catalog.Org(2) != nil {
		t.Errorf("first view %+v", first)
	}

	store.HSet(leaderboard.CatalogKey, "org:1", `{"orgId":1,"name":"after","timeZone":"UTC"}`)
	if read(first) != first {
		t.Error("the records were read although their fence stood still")
	}
	store.HSet(leaderboard.CatalogFenceKey, "0", "3")
	second := read(first)
	if second.catalog.Org(1).Name != "after" || first.catalog.Org(1).Name != "before" {
		t.Errorf("now %q, the view of before %q", second.catalog.Org(1).Name, first.catalog.Org(1).Name)
	}
	if n := strings.Count(lines.String(), "org:2"); n != 1 {
		t.Errorf("the record that is not valid was logged %d times:\n%s", n, &lines)
	}
	store.HSet(leaderboard.CatalogFenceKey, "0", "4")
	if read(second) != second {
		t.Error("the same records gave another view")
	}
}

func TestReadNamesWhatRedisDoesNotHold(t *testing.T) {
	for _, c := range []struct {
		meta []string
		want string
	}{
		{nil, leaderboard.MetaKey},
		{[]string{"read", "x"}, `is "x", not a generation`},
		{[]string{"read", "1"}, `shards:1 of lb:meta in redis is "", not a number of shards`},
		{[]string{"read", "1", "shards:1", "0"}, `is "0", not a number of shards`},
		{[]string{"read", "1", "shards:1", "4"}, leaderboard.CatalogKey},
	} {
		store := miniredis.RunT(t)
		if c.meta != nil {
			store.HSet(leaderboard.MetaKey, c.meta...)
		}
		client := redis.NewClient(&redis.Options{Addr: store.Addr()})
		_, err := (&catalogReader{redis: client, log: slog.New(slog.DiscardHandler)}).read(t.Context(), nil)
		if _, isMissing := errors.AsType[missingError](err); !isMissing || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.meta, err, c.want)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}
