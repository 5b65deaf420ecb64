package query

import (
	"context"
	"runtime"
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
	maxPipelines = 3
	// maxPipelineSize is that of a pipeline's reads together, but for the last request's.
	maxPipelineSize = 1000
)

func newLanes(client redis.UniversalClient, timeout time.Duration) *lanes {
	return &lanes{client: client, timeout: timeout, byNode: map[string]*lane{}}
}

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
		lane := l.of(ctx, r.command)
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

// of is the lane of the node that has the command's keys. Where the nodes are not
// known the client will say so when it is asked.
func (l *lanes) of(ctx context.Context, head commandHead) *lane {
	node := ""
	if cluster, ok := l.client.(*redis.ClusterClient); ok {
		if master, err := cluster.MasterForKey(ctx, head.key()); err == nil {
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

// run sends pipelines until nobody waits any more. Before each it lets those run who
// can: some are about to ask, and the more go together, the less each of them costs.
func (l *lane) run() {
	for {
		runtime.Gosched()
		parcels := l.take()
		if parcels == nil {
			return
		}
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
	n, size := 0, int64(0)
	for ; n < len(l.waiting) && size < maxPipelineSize; n++ {
		p := l.waiting[n]
		if p.ctx.Err() != nil {
			continue
		}
		for _, r := range p.reads {
			size += r.size
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
