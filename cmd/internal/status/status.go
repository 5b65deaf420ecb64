// Package status tells how a leaderboard is, from what Kafka and Redis hold: it needs
// neither a projector nor a query service, and changes nothing.
package status

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"leaderboard"
	"leaderboard/cmd/internal/deadletters"
	"leaderboard/consumer"
)

// Config says where to look.
type Config struct {
	Cluster consumer.Cluster
	Topics  consumer.Topics
	Letters deadletters.Box
	// Group is the consumer group of the projectors of a generation.
	Group func(generation int) string
	Redis redis.UniversalClient
	// RedisAddrs are where it is, to be shown.
	RedisAddrs []string
}

// Report is how a leaderboard is. What cannot be known, as a server cannot be
// reached, is nil.
type Report struct {
	Time     time.Time `json:"time"`
	Problems []Problem `json:"problems"`
	Servers  []Server  `json:"servers"`
	// Topics are all but that of what became of dead letters while nobody needed it.
	Topics      []Topic      `json:"topics"`
	Generations []Generation `json:"generations"`
	// Group is that of the generation that is read, of which Partitions are too.
	Group       *consumer.Group `json:"group"`
	Partitions  []Partition     `json:"partitions"`
	Boards      *Boards         `json:"boards"`
	Freshness   Freshness       `json:"freshness"`
	DeadLetters *DeadLetters    `json:"deadLetters"`
	Catalog     *Catalog        `json:"catalog"`
}

// Server is Kafka or Redis.
type Server struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
	// Error says why it cannot be used; empty when it can.
	Error string `json:"error,omitempty"`
}

// Topic is a topic as it is.
type Topic struct {
	consumer.TopicState
	// Records counts the offsets that it holds, Behind those that Redis does not have.
	Records int64  `json:"records"`
	Behind  *int64 `json:"behind,omitempty"`
}

// Partition is one of the activities, and how far the generation that is read has
// come with it.
type Partition struct {
	Partition int    `json:"partition"`
	LogStart  *int64 `json:"logStart"`
	LogEnd    *int64 `json:"logEnd"`
	// FenceLowest and FenceHighest are the next offsets of the shards that are furthest
	// behind and furthest ahead.
	FenceLowest  *int64 `json:"fenceLowest"`
	FenceHighest *int64 `json:"fenceHighest"`
	Lag          *int64 `json:"lag"`
	Committed    *int64 `json:"committed"`
	// Member is the ID of the projector that has the partition.
	Member string `json:"member,omitempty"`
}

// Boards are those of the generation that is read.
type Boards struct {
	Count   int   `json:"count"`
	Entries int64 `json:"entries"`
	// Outdated counts those that an earlier catalog made what they are.
	Outdated int     `json:"outdated"`
	Largest  []Board `json:"largest"`
}

// Board is one of the largest.
type Board struct {
	Board        string    `json:"board"`
	Entries      int64     `json:"entries"`
	LastSyncTime time.Time `json:"lastSyncTime"`
}

// Freshness says how old the newest is, by the clock of whoever looks.
type Freshness struct {
	NewestRecord *Moment `json:"newestRecord"`
	LastSync     *Moment `json:"lastSync"`
}

// Moment is a time and how long ago it was.
type Moment struct {
	Time       time.Time `json:"time"`
	AgeSeconds float64   `json:"ageSeconds"`
}

// DeadLetters are the records that were refused.
type DeadLetters struct {
	// Unsettled is nil when there are too many letters to look through.
	Unsettled *int                    `json:"unsettled"`
	ByReason  map[consumer.Reason]int `json:"byReason"`
}

// Catalog is what the catalog holds.
type Catalog struct {
	Orgs         int `json:"orgs"`
	TargetGroups int `json:"targetGroups"`
	// Source is redis, from which readers have it, or kafka.
	Source string `json:"source"`
}

// lookTime is how long each server may take to tell what it holds.
const lookTime = 15 * time.Second

// Look makes a report. A server that cannot be reached is in it.
func Look(ctx context.Context, c Config) *Report {
	r := &Report{
		Time: time.Now().UTC(), Problems: []Problem{}, Topics: []Topic{}, Generations: []Generation{}, Partitions: []Partition{},
	}
	var inRedis *store
	var redisErr error
	var inKafka *log
	var kafkaErr error
	var both sync.WaitGroup
	both.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		inRedis, redisErr = readStore(ctx, c.Redis)
	})
	both.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		inKafka, kafkaErr = readLog(ctx, &c)
	})
	both.Wait()
	if kafkaErr == nil {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		kafkaErr = inKafka.readGroup(ctx, &c, inRedis.generation())
	}
	r.addServer("Kafka", c.Cluster.Brokers, kafkaErr)
	r.addServer("Redis", c.RedisAddrs, redisErr)
	if kafkaErr != nil {
		inKafka = nil
	}
	r.addStore(inRedis, inKafka.extents())
	r.addLog(inKafka, inRedis, c.Topics)
	r.addPartitions(inKafka, inRedis)
	r.findProblems(inKafka, inRedis, c.Topics)
	return r
}

func (r *Report) addServer(name string, addresses []string, err error) {
	s := Server{Name: name, Addresses: addresses}
	if err != nil {
		s.Error = err.Error()
	}
	r.Servers = append(r.Servers, s)
}

func (r *Report) moment(m leaderboard.Millis) *Moment {
	if m == 0 {
		return nil
	}
	return &Moment{Time: m.Time(), AgeSeconds: r.Time.Sub(m.Time()).Seconds()}
}
