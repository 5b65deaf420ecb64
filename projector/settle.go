package projector

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"leaderboard"
)

// Check finds out whether the generation may be written by this projector, and
// writes nothing. An error that wraps [leaderboard.ErrCannotGoOn] says that it may
// not; any other one, that Redis did not tell.
func (p *Projector) Check(ctx context.Context) error {
	_, _, err := p.readSettled(ctx)
	return err
}

// layout tells where the generation lies, after settling what a new one is like.
func (p *Projector) layout(ctx context.Context) (leaderboard.Layout, error) {
	layout, lacking, err := p.readSettled(ctx)
	if err != nil || len(lacking) == 0 {
		return layout, err
	}
	err = changeMeta(ctx, p.redis, func(meta map[string]string, _ time.Time) (metaChange, error) {
		layout, lacking, err = p.settled(meta)
		return metaChange{set: lacking}, err
	})
	return layout, p.counted(err)
}

func (p *Projector) readSettled(ctx context.Context) (leaderboard.Layout, map[string]any, error) {
	meta, err := p.redis.HGetAll(ctx, leaderboard.MetaKey).Result()
	if err != nil {
		return leaderboard.Layout{}, nil, fmt.Errorf("read %s: %w", leaderboard.MetaKey, p.counted(err))
	}
	return p.settled(meta)
}

// settled tells where the generation lies according to lb:meta, and what lb:meta
// lacks of it. It refuses a generation that this projector would spoil.
func (p *Projector) settled(meta map[string]string) (leaderboard.Layout, map[string]any, error) {
	generation := p.config.Generation
	layout := leaderboard.Layout{Generation: generation, Shards: p.config.Shards}
	lacking := map[string]any{}
	if _, dropped := meta[leaderboard.MetaDropped(generation)]; dropped {
		return layout, nil, fmt.Errorf("%w: generation %d was dropped and cannot be written again; start the projector with --generation (GENERATION) of another number",
			leaderboard.ErrCannotGoOn, generation)
	}
	field := leaderboard.MetaShards(generation)
	if text, known := meta[field]; known {
		shards, err := strconv.Atoi(text)
		if err != nil || shards <= 0 {
			return layout, nil, fmt.Errorf("the field %s of %s is %q, not a number of shards", field, leaderboard.MetaKey, text)
		}
		layout.Shards = shards
	} else {
		lacking[field] = layout.Shards
	}
	window, err := readDedupeWindow(meta, generation)
	switch {
	case err != nil:
		return layout, nil, err
	case window == nil:
		lacking[leaderboard.MetaDedupeWindow(generation)] = int64(p.window)
	case *window != p.window:
		has := time.Duration(*window) * time.Millisecond
		return layout, nil, fmt.Errorf("%w: generation %d is built with a dedupe window of %s, not of %s; start the projector with --dedupe-window %s (DEDUPE_WINDOW), or build another generation with --generation (GENERATION)",
			leaderboard.ErrCannotGoOn, generation, has, p.config.DedupeWindow, has)
	}
	return layout, lacking, nil
}

// readDedupeWindow is nil for a generation that has none yet.
func readDedupeWindow(meta map[string]string, generation int) (*leaderboard.Millis, error) {
	field := leaderboard.MetaDedupeWindow(generation)
	text, known := meta[field]
	if !known {
		return nil, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return nil, fmt.Errorf("the field %s of %s is %q, not a number of milliseconds", field, leaderboard.MetaKey, text)
	}
	window := leaderboard.Millis(ms)
	return &window, nil
}
