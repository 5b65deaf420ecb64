package query

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// lanes carry the reads of many requests to Redis together: those that come while
// a pipeline is under way share the next one. With nothing under way a read goes
// at once. Each node of a cluster has a lane, so that one which does not answer
// holds up nobody else's reads.
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
	// maxCommands are in a pipeline, but for the last request's.
	maxCommands = 512
)

func newLanes(client redis.UniversalClient, timeout time.Duration) *lanes {
	return &lanes{client: client, timeout: timeout, byNode: map[string]*lane{}}
}

// read is one command and the key, or one of the keys, that it reads.
type read struct {
	key     string
	command *redis.Cmd
}

// ask waits for all replies. The error is the first that is not [redis.Nil], or
// ctx's when that ends first; the commands are not to be looked at then. The reads
// of one call may be answered at different moments.
func (l *lanes) ask(ctx context.Context, reads ...read) error {
	for _, p := range l.load(ctx, reads) {
		select {
		case <-p.delivered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, r := range reads {
		if err := r.command.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
	}
	return nil
}

// load hands the reads over to their lanes.
func (l *lanes) load(ctx context.Context, reads []read) []*parcel {
	var parcels []*parcel
	for _, r := range reads {
		lane := l.of(ctx, r.key)
		i := 0
		for i < len(parcels) && parcels[i].lane != lane {
			i++
		}
		if i == len(parcels) {
			parcels = append(parcels, &parcel{lane: lane, delivered: make(chan struct{})})
		}
		parcels[i].commands = append(parcels[i].commands, r.command)
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

// parcel is what one request reads from one node.
type parcel struct {
	lane     *lane
	commands []redis.Cmder
	// delivered is closed once every command has its reply or its error.
	delivered chan struct{}
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

// take is who goes with the next pipeline.
func (l *lane) take() []*parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, commands := 0, 0
	for n < len(l.waiting) && commands < maxCommands {
		commands += len(l.waiting[n].commands)
		n++
	}
	if n == 0 {
		l.pipelines--
		return nil
	}
	taken := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return taken
}

func (l *lane) send(parcels []*parcel) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	pipe := l.client.Pipeline()
	for _, p := range parcels {
		_ = pipe.BatchProcess(ctx, p.commands...) // only queues
	}
	_, _ = pipe.Exec(ctx) // every command has its own error
	for _, p := range parcels {
		close(p.delivered)
	}
}
