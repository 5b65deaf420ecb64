package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// view is what one answer is made from: the catalog and where the boards lie.
type view struct {
	layout  leaderboard.Layout
	catalog *leaderboard.Catalog
	// groups are the catalog's, by organisation, groups and their
	// targets by rising id.
	groups map[leaderboard.OrgID][]*leaderboard.TargetGroup
}

func newView(layout leaderboard.Layout, catalog *leaderboard.Catalog) *view {
	v := &view{layout: layout, catalog: catalog, groups: map[leaderboard.OrgID][]*leaderboard.TargetGroup{}}
	for _, g := range catalog.Document().TargetGroups {
		g.Targets = slices.SortedFunc(slices.Values(g.Targets), func(a, b leaderboard.Target) int {
			return cmp.Compare(a.TargetRuleID, b.TargetRuleID)
		})
		v.groups[g.OrgID] = append(v.groups[g.OrgID], &g)
	}
	return v
}

// state is what the last look at Redis found. While Redis does not answer the
// last view stays; when Redis answers and holds nothing to read there is none.
type state struct {
	view *view
	// problem is nil exactly when that look found everything.
	problem error
	// confirmed is when the view was last known to be the one in Redis.
	confirmed time.Time
}

// refresh looks at Redis once.
func (s *Server) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.requestTimeout)
	defer cancel()
	last := s.state.Load()
	next := &state{}
	v, err := s.catalog.read(ctx, last.view)
	missing, isMissing := errors.AsType[missingError](err)
	incomplete, isIncomplete := errors.AsType[incompleteError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return
	case isMissing:
		next.problem = missing
	case isIncomplete:
		next.view, next.confirmed, next.problem = v, time.Now(), incomplete
	case err != nil:
		s.metrics.redisErrors.Inc()
		next.view, next.confirmed, next.problem = last.view, last.confirmed, fmt.Errorf("the catalog cannot be read from redis: %w", err)
	default:
		next.view, next.confirmed = v, time.Now()
	}
	s.state.Store(next)
	if next.view != nil {
		s.metrics.generation.Set(float64(next.view.layout.Generation))
	} else {
		s.metrics.generation.Set(0)
	}
	s.logChange(last.problem, next.problem)
}

// logChange tells of an outage when it begins and when it ends, not all along.
func (s *Server) logChange(last, next error) {
	switch {
	case next == nil && last != nil:
		s.log.Info("ready to answer")
	case next != nil && (last == nil || last.Error() != next.Error()):
		s.log.Warn("not ready to answer", "reason", next)
	}
}

// catalogAge is the age of the view in seconds.
func (s *Server) catalogAge() float64 {
	confirmed := s.state.Load().confirmed
	if confirmed.IsZero() {
		return math.Inf(1)
	}
	return time.Since(confirmed).Seconds()
}

// missingError says what a Redis that answers does not hold.
type missingError string

func (e missingError) Error() string { return string(e) }

// incompleteError says that boards are being made again from the log. They are
// answered from as far as they have come.
type incompleteError string

func (e incompleteError) Error() string { return string(e) }

// readAllEvery is how many looks go by before the records are read again
// although their fence stands where it stood.
const readAllEvery = 120

// catalogReader reads the catalog from Redis when it has changed there. It
// belongs to the one goroutine of [Server.Run].
type catalogReader struct {
	redis   redis.UniversalClient
	log     *slog.Logger
	fence   map[string]string
	records map[string]string
	looks   int
}

// read returns last when nothing has changed. With an incompleteError there is a
// view too.
func (r *catalogReader) read(ctx context.Context, last *view) (*view, error) {
	pipe := r.redis.Pipeline()
	metaCmd, fenceCmd := pipe.HGetAll(ctx, leaderboard.MetaKey), pipe.HGetAll(ctx, leaderboard.CatalogFenceKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	layout, err := parseMeta(metaCmd.Val())
	if err != nil {
		return nil, err
	}
	catalog, err := r.readRecords(ctx, fenceCmd.Val(), last)
	if err != nil {
		return nil, err
	}
	if last == nil || last.layout != layout || last.catalog != catalog {
		last = newView(layout, catalog)
	}
	return last, checkComplete(metaCmd.Val(), layout.Generation)
}

// checkComplete finds the partitions that are being read again from their start.
func checkComplete(meta map[string]string, generation int) error {
	var partitions []string
	for field := range meta {
		if partition, ok := strings.CutPrefix(field, leaderboard.MetaIncompletePrefix(generation)); ok {
			partitions = append(partitions, partition)
		}
	}
	if len(partitions) == 0 {
		return nil
	}
	slices.Sort(partitions)
	return incompleteError("the boards are incomplete: they are being made again from the log, partitions " + strings.Join(partitions, ", "))
}

// readRecords relies on the fence being read before the records: a record that
// comes in between is read now, and once more at the next look.
func (r *catalogReader) readRecords(ctx context.Context, fence map[string]string, last *view) (*leaderboard.Catalog, error) {
	r.looks++
	if last != nil && len(fence) > 0 && maps.Equal(fence, r.fence) && r.looks%readAllEvery != 0 {
		return last.catalog, nil
	}
	records, err := r.redis.HGetAll(ctx, leaderboard.CatalogKey).Result()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, missingError("redis holds no catalog (" + leaderboard.CatalogKey + "): apply one, and see that a projector runs")
	}
	catalog := r.parse(records)
	if last != nil && maps.Equal(records, r.records) {
		catalog = last.catalog
	}
	r.fence, r.records = fence, records
	return catalog, nil
}

// parse passes over a record that is not valid, with a log line when it is new.
func (r *catalogReader) parse(records map[string]string) *leaderboard.Catalog {
	catalog := leaderboard.NewCatalog()
	for key, value := range records {
		if err := catalog.Set(key, []byte(value)); err != nil && r.records[key] != value {
			r.log.Warn("a catalog record in Redis is not valid and passed over", "key", key, "error", err)
		}
	}
	return catalog
}

// parseMeta finds the generation to read and its shards.
func parseMeta(meta map[string]string) (leaderboard.Layout, error) {
	read, ok := meta[leaderboard.MetaRead]
	if !ok {
		return leaderboard.Layout{}, missingError("redis names no generation of boards to read (" + leaderboard.MetaKey + "): see that a projector runs")
	}
	generation, err := strconv.Atoi(read)
	if err != nil {
		return leaderboard.Layout{}, missingError(fmt.Sprintf("the field %s of %s in redis is %q, not a generation", leaderboard.MetaRead, leaderboard.MetaKey, read))
	}
	field := leaderboard.MetaShards(generation)
	shards, err := strconv.Atoi(meta[field])
	if err != nil || shards <= 0 {
		return leaderboard.Layout{}, missingError(fmt.Sprintf("the field %s of %s in redis is %q, not a number of shards", field, leaderboard.MetaKey, meta[field]))
	}
	return leaderboard.Layout{Generation: generation, Shards: shards}, nil
}
