package query

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// lanes carry the reads of many requests to Redis together: those that come while
// a pipeline is under way share the next one, and in it those that ask the same
// share one command. With nothing under way a read goes at once. Each node of a
// cluster has a lane, so that one which does not answer holds up nobody else's reads.
type lanes struct {
	client redis.UniversalClient
	// timeout bounds a pipeline, whoever waits for it.
	timeout time.Duration

	mu     sync.Mutex
	byNode map[string]*lane
}

const (
	// maxPipelines are under way in a lane at once.
	maxPipelines = 2
	// maxPipelineItems are in a pipeline, but for the last request's.
	maxPipelineItems = 1000
	// maxCommandItems are in a command, but for the last request's: all of Redis
	// waits while it answers one.
	maxCommandItems = 100
)

func newLanes(client redis.UniversalClient, timeout time.Duration) *lanes {
	return &lanes{client: client, timeout: timeout, byNode: map[string]*lane{}}
}

// read asks for some items of which one command can answer many.
type read struct {
	command commandHead
	items   int
	// keys and args are those of the items, as many for each.
	keys, args []any
	// replies has one for each item, unless there is an error.
	replies []any
	err     error
}

// commandHead is what the reads have in common that a command may answer together:
// HMGET of a hash or, with a script, what that tells for two keys of a slot.
type commandHead struct {
	script      *script
	key, second string
}

// script only reads. It answers with an array of an element for each item, and does
// not fail for what is wrong with one of them: others may ask for the rest.
type script struct{ hash, source string }

func newScript(source string) *script { return &script{redis.NewScript(source).Hash(), source} }

// ask waits until all reads have their replies. The error is the first of theirs,
// or ctx's when that ends first; the reads are not to be looked at then. Reads of
// different commands may be answered at different moments.
func (l *lanes) ask(ctx context.Context, reads []*read) error {
	for _, p := range l.load(ctx, reads) {
		select {
		case <-p.delivered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, r := range reads {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// parcel is what one request reads from one node.
type parcel struct {
	// ctx is the request's: a parcel that nobody waits for any more is not sent.
	ctx   context.Context
	lane  *lane
	reads []*read
	// delivered is closed once every read has its replies or its error.
	delivered chan struct{}
}

// load hands the reads over to their lanes.
func (l *lanes) load(ctx context.Context, reads []*read) []*parcel {
	var parcels []*parcel
	for _, r := range reads {
		lane := l.of(ctx, r.command.key)
		i := 0
		for i < len(parcels) && parcels[i].lane != lane {
			i++
		}
		if i == len(parcels) {
			parcels = append(parcels, &parcel{ctx: ctx, lane: lane, delivered: make(chan struct{})})
		}
		parcels[i].reads = append(parcels[i].reads, r)
	}
	for _, p := range parcels {
		p.lane.add(p)
	}
	return parcels
}

// of is the lane of the node that has the key. Where the nodes are not known the
// client will say so when it is asked.
func (l *lanes) of(ctx context.Context, key string) *lane {
	node := ""
	if cluster, ok := l.client.(*redis.ClusterClient); ok {
		if master, err := cluster.MasterForKey(ctx, key); err == nil {
			node = master.Options().Addr
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byNode[node] == nil {
		l.byNode[node] = &lane{client: l.client, timeout: l.timeout}
	}
	return l.byNode[node]
}

// lane sends one pipeline after another to a node.
type lane struct {
	client  redis.UniversalClient
	timeout time.Duration

	mu        sync.Mutex
	waiting   []*parcel
	pipelines int
}

func (l *lane) add(p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, p)
	if l.pipelines < maxPipelines {
		l.pipelines++
		go l.run()
	}
}

// run sends pipelines until nobody waits any more.
func (l *lane) run() {
	for parcels := l.take(); parcels != nil; parcels = l.take() {
		l.send(parcels)
	}
}

// take is who goes with the next pipeline. Behind a node that did not answer for a
// while the parcels of requests that have ended are left behind, lest they hold up
// those that came since.
func (l *lane) take() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	var taken []*parcel
	n, items := 0, 0
	for ; n < len(l.waiting) && items < maxPipelineItems; n++ {
		p := l.waiting[n]
		if p.ctx.Err() != nil {
			continue
		}
		for _, r := range p.reads {
			items += r.items
		}
		taken = append(taken, p)
	}
	l.waiting = l.waiting[n:]
	if taken == nil {
		l.pipelines--
	}
	return taken
}

// send delivers what the parcels ask for, in one round trip or in two when the
// node has not seen a script yet.
func (l *lane) send(parcels []*parcel) {
	// What goes with ctx, such as a trace, is of the request that is first.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parcels[0].ctx), l.timeout)
	defer cancel()
	commands := gather(parcels)
	l.exec(ctx, commands, false)
	var unknown []*command
	for _, c := range commands {
		if redis.HasErrorPrefix(c.cmd.Err(), "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	l.exec(ctx, unknown, true)
	for _, c := range commands {
		c.deliver()
	}
	for _, p := range parcels {
		close(p.delivered)
	}
}

// exec sends the commands, scripts by their hash or in full.
func (l *lane) exec(ctx context.Context, commands []*command, inFull bool) {
	pipe := l.client.Pipeline()
	for _, c := range commands {
		c.cmd = redis.NewCmd(ctx, c.args(inFull)...)
		_ = pipe.Process(ctx, c.cmd) // only queues
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
}

// command is some reads of one head.
type command struct {
	head  commandHead
	reads []*read
	items int
	cmd   *redis.Cmd
}

// gather makes as few commands as it may of all reads of the parcels.
func gather(parcels []*parcel) []*command {
	var commands []*command
	latest := map[commandHead]*command{}
	for _, p := range parcels {
		for _, r := range p.reads {
			c := latest[r.command]
			if c == nil || c.items >= maxCommandItems {
				c = &command{head: r.command}
				latest[r.command] = c
				commands = append(commands, c)
			}
			c.reads = append(c.reads, r)
			c.items += r.items
		}
	}
	return commands
}

func (c *command) args(inFull bool) []any {
	args := make([]any, 0, 5+5*c.items)
	switch {
	case c.head.script == nil:
		args = append(args, "hmget", c.head.key)
	case inFull:
		args = append(args, "eval_ro", c.head.script.source)
	default:
		args = append(args, "evalsha_ro", c.head.script.hash)
	}
	if c.head.script != nil {
		count := len(args)
		args = append(args, 0, c.head.key, c.head.second)
		for _, r := range c.reads {
			args = append(args, r.keys...)
		}
		args[count] = len(args) - count - 1
	}
	for _, r := range c.reads {
		args = append(args, r.args...)
	}
	return args
}

// deliver gives every read its part of the reply.
func (c *command) deliver() {
	replies, _ := c.cmd.Val().([]any)
	err := c.cmd.Err()
	if err == nil && len(replies) != c.items {
		err = fmt.Errorf("redis told of %d items, not of %d", len(replies), c.items)
	}
	for _, r := range c.reads {
		if r.err = err; err != nil {
			continue
		}
		r.replies, replies = replies[:r.items], replies[r.items:]
	}
}
