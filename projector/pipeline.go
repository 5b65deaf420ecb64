package projector

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"leaderboard"
)

// session is one connection to the server that holds a shard, for commands that
// belong together: from WATCH up to EXEC.
type session struct {
	conn *redis.Conn
	// broken is true when an answer did not come: the connection is of no use then.
	broken bool
}

// connect begins a session. The caller ends it.
func (p *Projector) connect(ctx context.Context, l leaderboard.Layout, shard int) (*session, error) {
	switch client := p.redis.(type) {
	case *redis.Client:
		return &session{conn: client.Conn()}, nil
	case *redis.ClusterClient:
		node, err := client.MasterForKey(ctx, l.FenceKey(shard))
		if err != nil {
			return nil, err
		}
		return &session{conn: node.Conn()}, nil
	default:
		return nil, fmt.Errorf("a Redis client of type %T is not known", client)
	}
}

// lookForNodes asks a cluster where its shards are: one may have moved.
func (p *Projector) lookForNodes(ctx context.Context) {
	if cluster, ok := p.redis.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// pipeline begins commands that are sent together.
func (s *session) pipeline(ctx context.Context) *pipeline { return &pipeline{s.conn.Pipeline(), ctx} }

// send sends the commands of a pipeline and waits for all answers. Errors that Redis
// answers with are left to the commands.
func (s *session) send(p *pipeline) error {
	_, err := p.pipe.Exec(p.ctx)
	var answered redis.Error
	if err == nil || errors.As(err, &answered) {
		return nil
	}
	s.broken = true
	return err
}

// abandon leaves no transaction behind: what is watched still would spoil the next
// one on the connection.
func (s *session) abandon(ctx context.Context) {
	if s.broken {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdTime)
	defer cancel()
	p := s.pipeline(ctx)
	p.do("discard")
	p.do("unwatch")
	_ = s.send(p)
}

// end gives the connection back.
func (s *session) end() { _ = s.conn.Close() }

// pipeline gathers commands that are sent together.
type pipeline struct {
	pipe redis.Pipeliner
	ctx  context.Context //nolint:containedctx // a pipeline lives for one exchange
}

func (p *pipeline) do(args ...any) *redis.Cmd { return p.pipe.Do(p.ctx, args...) }

func (p *pipeline) hmget(key any, fields []any) *redis.Cmd {
	return p.do(append([]any{"hmget", key}, fields...)...)
}
