package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// DefaultRememberEntries is how many entries are kept in memory when no number is given.
const DefaultRememberEntries = 4_000_000

// Config is what a [Projector] needs.
type Config struct {
	Redis redis.UniversalClient
	// Generation is the generation of boards that is written. 0: 1.
	Generation int
	// Shards is the number of shards of a generation that does not exist yet. 0: 16.
	Shards int
	// DedupeWindow is how far apart two records with the same event id may be
	// published to count once. 0: every record counts. A generation has one: a
	// projector with another is refused.
	DedupeWindow time.Duration
	// RememberEntries bounds how many entries are kept in memory, of [EntryBytes]
	// each: what is remembered of a shard has not to be read again before it is
	// written, as long as nobody else writes there. 0: [DefaultRememberEntries].
	RememberEntries int64
	Log             *slog.Logger
	Registerer      prometheus.Registerer
}

// Projector writes to Redis.
type Projector struct {
	config  Config
	window  leaderboard.Millis
	redis   redis.UniversalClient
	log     *slog.Logger
	metrics *metrics
	// remembered counts the entries kept in memory.
	remembered atomic.Int64
	// writers counts the cuts that are on their way to Redis.
	writers  atomic.Int64
	boards   *Boards
	catalog  *Documents
	profiles *Documents
}

// New makes a projector. Nothing is started or connected.
func New(config Config) (*Projector, error) {
	if config.Generation == 0 {
		config.Generation = 1
	}
	if config.Shards == 0 {
		config.Shards = 16
	}
	if config.RememberEntries == 0 {
		config.RememberEntries = DefaultRememberEntries
	}
	switch {
	case config.Redis == nil || config.Log == nil || config.Registerer == nil:
		return nil, errors.New("a Redis client, a logger and a metrics registerer are needed")
	case config.DedupeWindow < 0:
		return nil, fmt.Errorf("the dedupe window %s is negative", config.DedupeWindow)
	case config.RememberEntries < 0:
		return nil, fmt.Errorf("%d entries cannot be remembered", config.RememberEntries)
	case retries(config.Redis) > 0:
		return nil, errors.New("the Redis client sends a transaction again by itself, unguarded: set its MaxRetries to -1")
	case config.Generation < 0:
		return nil, fmt.Errorf("generation %d is not positive", config.Generation)
	case config.Shards < 0 || config.Shards > 16384:
		return nil, fmt.Errorf("%d shards are not between 1 and 16384", config.Shards)
	}
	p := &Projector{config: config, window: leaderboard.Millis(config.DedupeWindow.Milliseconds()), redis: config.Redis, log: config.Log, metrics: newMetrics(config.Registerer, config.Generation)}
	p.boards = &Boards{projector: p, script: redis.NewScript(syncSource), lanes: map[int]*lane{}}
	documents := func(fenceKey string) *Documents {
		return &Documents{projector: p, script: redis.NewScript(documentsSource), fenceKey: fenceKey, fences: map[int]int64{}}
	}
	p.catalog = documents(leaderboard.CatalogFenceKey)
	p.profiles = documents(leaderboard.ProfilesFenceKey)
	return p, nil
}

// retries is how often a client tries again by itself.
func retries(client redis.UniversalClient) int {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().MaxRetries
	case *redis.ClusterClient:
		return c.Options().MaxRetries
	}
	return 0
}

// Boards folds the activities topic.
func (p *Projector) Boards() *Boards { return p.boards }

// Catalog keeps the catalog topic.
func (p *Projector) Catalog() *Documents { return p.catalog }

// Profiles keeps the profiles topic.
func (p *Projector) Profiles() *Documents { return p.profiles }

// Ready is nil when Redis answers, else it says why not.
func (p *Projector) Ready(ctx context.Context) error {
	if err := p.counted(p.redis.Ping(ctx).Err()); err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}

// pipelined sends commands together. A missing value is no error here.
func (p *Projector) pipelined(ctx context.Context, fill func(redis.Pipeliner)) ([]redis.Cmder, error) {
	commands, err := p.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fill(pipe)
		return nil
	})
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	for _, command := range commands {
		if e := command.Err(); e != nil && !errors.Is(e, redis.Nil) && err == nil {
			err = e
		}
	}
	return commands, p.counted(err)
}

// counted counts an error of Redis and gives it back.
func (p *Projector) counted(err error) error {
	if err != nil {
		p.metrics.redisErrors.Inc()
	}
	return err
}

// scriptCall is one call of a script.
type scriptCall struct {
	keys []string
	args []any
}

// verdict is what a script did with a call.
type verdict int64

const (
	verdictElsewhere verdict = iota // nothing: the fence is elsewhere
	verdictApplied                  // all of it
	verdictHeld                     // nothing: the shard is held
)

// scriptReply is what both scripts answer: what was done, and where the fence is now.
type scriptReply struct {
	verdict verdict
	fence   int64
}

// runScript sends calls of one script in one pipeline, after loading the script
// where Redis does not have it.
func (p *Projector) runScript(ctx context.Context, script *redis.Script, calls []scriptCall) ([]scriptReply, error) {
	send := func() ([]redis.Cmder, error) {
		return p.pipelined(ctx, func(pipe redis.Pipeliner) {
			for _, call := range calls {
				script.EvalSha(ctx, pipe, call.keys, call.args...)
			}
		})
	}
	commands, err := send()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := script.Load(ctx, p.redis).Err(); err != nil {
			return nil, p.counted(err)
		}
		commands, err = send()
	}
	if err != nil {
		return nil, err
	}
	replies := make([]scriptReply, len(commands))
	for i, command := range commands {
		numbers, err := command.(*redis.Cmd).Int64Slice()
		if err != nil || len(numbers) != 2 {
			return nil, fmt.Errorf("the script answered %v: %w", numbers, err)
		}
		replies[i] = scriptReply{verdict: verdict(numbers[0]), fence: numbers[1]}
	}
	return replies, nil
}
