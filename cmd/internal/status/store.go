package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/projector"
)

// store is what Redis holds.
type store struct {
	generations []projector.Generation
	// read is the generation that readers use, zero when there is none.
	read                      projector.Generation
	boards                    []projector.Summary
	catalog                   *leaderboard.Catalog
	catalogNext, profilesNext map[int]int64
}

// generation is the one that is read, 0 when there is none.
func (s *store) generation() int {
	if s == nil {
		return 0
	}
	return s.read.Generation
}

func readStore(ctx context.Context, client redis.UniversalClient) (*store, error) {
	s := &store{catalog: leaderboard.NewCatalog()}
	var err error
	if s.generations, err = projector.Generations(ctx, client); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(s.generations, func(g projector.Generation) bool { return g.Read }); i >= 0 {
		s.read = s.generations[i]
	}
	if s.boards, err = projector.Summaries(ctx, client, s.read.Layout); err != nil {
		return nil, err
	}
	records, err := client.HGetAll(ctx, leaderboard.CatalogKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	for key, value := range records {
		_ = s.catalog.Set(key, []byte(value)) // readers pass over invalid records too
	}
	for key, next := range map[string]*map[int]int64{leaderboard.CatalogFenceKey: &s.catalogNext, leaderboard.ProfilesFenceKey: &s.profilesNext} {
		if *next, err = projector.ReadFence(ctx, client, key); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// largestShown is how many boards are reported one by one.
const largestShown = 5

// addStore reports what Redis holds.
func (r *Report) addStore(s *store, log []leaderboard.Extent) {
	if s == nil {
		return
	}
	for _, g := range s.generations {
		r.Generations = append(r.Generations, NewGeneration(g, log))
	}
	document := s.catalog.Document()
	r.Catalog = &Catalog{Orgs: len(document.Orgs), TargetGroups: len(document.TargetGroups), Source: "redis"}
	r.Boards = &Boards{Largest: []Board{}}
	var synced leaderboard.Millis
	slices.SortFunc(s.boards, func(a, b projector.Summary) int {
		return cmp.Or(cmp.Compare(b.Entries, a.Entries), cmp.Compare(a.Board.String(), b.Board.String()))
	})
	for i := range s.boards {
		b := &s.boards[i]
		if s.catalog.Outdated(b.Board, b.Rule, b.PassedOver) != "" {
			r.Boards.Outdated++
		}
		if b.Synced == 0 {
			continue
		}
		r.Boards.Count++
		r.Boards.Entries += b.Entries
		synced = max(synced, b.Synced)
		if len(r.Boards.Largest) < largestShown {
			r.Boards.Largest = append(r.Boards.Largest, Board{b.Board.String(), b.Entries, b.Synced.Time()})
		}
	}
	r.Freshness.LastSync = r.moment(synced)
}
