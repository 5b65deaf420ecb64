package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard/test/programs"
	"leaderboard/test/servers"
)

// world is all that a scenario runs on: servers, the real programs, a stream.
type world struct {
	t      *testing.T
	random *rand.Rand

	store store
	// broker is the scenario's own Kafka of one broker, nil where it has another.
	broker *servers.Process
	// cluster is the scenario's own Kafka of several brokers, nil where it has another.
	cluster []*servers.Process
	// kafkaLink is nil where there are several brokers.
	kafkaLink *link
	brokers   []string
	// bootstrap is what leads projectors to Kafka.
	bootstrap string
	topics    string

	projectors []*programs.Program
	query      *programs.Program
	stream     *publisher

	// log is what was read of the activities topic, and read is up to where.
	log  []logged
	read map[int32]int64
	// lost tells what the log lost before the projector had read it, nil when it
	// lost nothing.
	lost func(place) bool
}

// setting says what a scenario's world is made of.
type setting struct {
	// ownKafka gives the world a Kafka that can be stopped.
	ownKafka bool
	// ownCluster gives it so many brokers, of which one at a time can be stopped.
	ownCluster int
	// store makes the Redis; nil makes a single one that persists nothing.
	store func(*testing.T) store
}

// newWorld starts everything, with a projector and a catalog.
func newWorld(t *testing.T, seed uint64, s setting, records int) *world {
	t.Helper()
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), topics: servers.Topics(t), read: map[int32]int64{}}
	w.startKafka(s)
	if s.store == nil {
		s.store = singleRedis()
	}
	w.store = s.store(t)
	w.join().AwaitReady()
	dir := t.TempDir()
	file, clients := filepath.Join(dir, "catalog.yaml"), filepath.Join(dir, "clients.json")
	if err := os.WriteFile(file, []byte(catalog()), 0o600); err != nil {
		t.Fatal(err)
	}
	programs.Run(t, "catalog", append([]string{"apply", "-f", file, "--kafka-brokers", w.brokers[0]}, w.topicFlags()...)...)
	programs.Run(t, "clients", "add", "--file", clients, "--id", clientID, "--org", fmt.Sprint(org), "--secret", clientSecret)
	w.query = programs.Start(t, "query", append(w.store.readerFlags, "--clients-file", clients)...)
	w.stream = newPublisher(t, w.brokers, w.activities(), randomStream(w.random, records))
	return w
}

func (w *world) startKafka(s setting) {
	w.t.Helper()
	if s.ownCluster > 0 {
		w.cluster = servers.KafkaCluster(w.t, s.ownCluster)
		for _, broker := range w.cluster {
			w.brokers = append(w.brokers, broker.Addr())
		}
		w.bootstrap = strings.Join(w.brokers, ",")
		return
	}
	if s.ownKafka {
		w.broker = servers.KafkaServer(w.t)
		w.brokers = []string{w.broker.Addr()}
	} else {
		w.brokers = servers.Kafka(w.t)
	}
	w.kafkaLink = newKafkaLink(w.t, w.brokers[0])
	w.bootstrap = w.kafkaLink.Addr()
}

func (w *world) activities() string { return w.topics + "activities" }

func (w *world) topicFlags() []string {
	return []string{
		"--kafka-activities-topic", w.activities(), "--kafka-catalog-topic", w.topics + "catalog",
		"--kafka-profiles-topic", w.topics + "profiles", "--kafka-deadletters-topic", w.topics + "deadletters",
	}
}

// join starts one more projector.
func (w *world) join() *programs.Program {
	w.t.Helper()
	p := programs.Launch(w.t, nil, "projector", slices.Concat(w.topicFlags(), w.store.writerFlags, []string{
		"--kafka-brokers", w.bootstrap, "--kafka-group", w.topics, "--sync-interval", "200ms",
	})...)
	w.projectors = append(w.projectors, p)
	return p
}

// leave takes note that a projector is gone.
func (w *world) leave(p *programs.Program) {
	w.projectors = slices.DeleteFunc(w.projectors, func(other *programs.Program) bool { return other == p })
}

// awaitAssigned waits until the projector has at least that many partitions of
// the activities topic.
func (w *world) awaitAssigned(p *programs.Program, n int) {
	w.t.Helper()
	programs.Await(w.t, fmt.Sprintf("%d partitions to be assigned to a projector", n), func() error {
		var assigned []int
		for line := range strings.Lines(p.Log()) {
			var record struct {
				Msg        string
				Activities []int
			}
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "partitions assigned" {
				assigned = record.Activities
			}
		}
		if len(assigned) < n {
			return fmt.Errorf("it has %v", assigned)
		}
		return nil
	})
}

// flowOn waits until a share of what is left of the stream has been published.
func (w *world) flowOn(share float64) {
	w.t.Helper()
	left := w.stream.left()
	programs.Await(w.t, "the stream to flow on", func() error {
		if now := w.stream.left(); float64(now) > float64(left)*(1-share) {
			return fmt.Errorf("%d of %d records are left", now, left)
		}
		return nil
	})
}

// metric is a metric's sum over the projectors.
func (w *world) metric(name string, labels ...string) float64 {
	w.t.Helper()
	sum := 0.0
	for _, p := range w.projectors {
		sum += p.Metric(name, labels...)
	}
	return sum
}

// kafka is a client past the link.
func (w *world) kafka() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(w.brokers...), Timeout: 10 * time.Second, Transport: &kafka.Transport{MetadataTTL: time.Second}}
}

// ends are where the partitions of a topic end.
func (w *world) ends(topic string) (map[int]int64, error) {
	client, ctx := w.kafka(), context.Background()
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, err
	}
	var wanted []kafka.OffsetRequest
	for _, p := range metadata.Topics[0].Partitions {
		wanted = append(wanted, kafka.LastOffsetOf(p.ID))
	}
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: wanted}})
	if err != nil {
		return nil, err
	}
	ends := map[int]int64{}
	for _, p := range answer.Topics[topic] {
		if p.Error != nil {
			return nil, p.Error
		}
		ends[p.Partition] = p.LastOffset
	}
	return ends, nil
}

// committed are the group's offsets for the activities topic.
func (w *world) committed(ends map[int]int64) (map[int]int64, error) {
	var ids []int
	for id := range ends {
		ids = append(ids, id)
	}
	answer, err := w.kafka().OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{
		GroupID: w.topics, Topics: map[string][]int{w.activities(): ids},
	})
	if err != nil {
		return nil, err
	}
	committed := map[int]int64{}
	for _, p := range answer.Topics[w.activities()] {
		committed[p.Partition] = p.CommittedOffset
	}
	return committed, nil
}
