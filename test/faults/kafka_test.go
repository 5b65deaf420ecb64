package faults

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leaderboard"
	"leaderboard/test/oracle"
	"leaderboard/test/programs"
)

// TestKafka restarts the broker, moves the leaders of several, and does to the topic what is allowed but rare.
func TestKafka(t *testing.T) {
	own := setting{ownKafka: true}
	runScenarios(t, []scenario{
		{
			name:  "Restarted",
			fault: "Kafka stopped and started again", promise: "Projectors wait and go on.", setting: own, share: 0.2,
			inject: func(w *world) func() { w.broker.Stop(); return w.broker.Start },
		},
		{
			name:  "Killed",
			fault: "Kafka killed and started again", promise: "Projectors wait and go on.", setting: own, share: 0.2,
			inject: func(w *world) func() { w.broker.Kill(); return w.broker.Start },
		},
		{
			name:  "LeadersMove",
			fault: "The partitions' leaders move from broker to broker, and one of three brokers is killed", promise: "Projectors follow the leaders; nothing is lost or doubled.",
			setting: setting{ownCluster: 3}, share: 0.2, inject: moveLeaders,
		},
		{
			name:  "PartitionsAdded",
			fault: "Partitions added to the topic, records keyed badly go there too", promise: "The new partitions are read from their start within seconds.",
			share: 0.2, inject: addPartitions,
		},
		{
			name:  "AbortedTransactions",
			fault: "Transactions between plain records, every second one aborted", promise: "Only what was committed counts.",
			inject: publishInTransactions,
		},
		{
			name:  "Hole",
			fault: "Retention overran the projector", promise: "The hole is logged, counted and noted in `lb:meta`; all that is left of the log is on the boards.",
			inject: deleteUnread, after: expectHoles,
		},
	})
}

func addPartitions(w *world) func() {
	const more = partitions + 2
	answer, err := w.kafka().CreatePartitions(context.Background(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: w.activities(), Count: more}},
	})
	if err == nil {
		err = answer.Errors[w.activities()]
	}
	if err != nil {
		w.t.Fatalf("add partitions: %v", err)
	}
	r := scatteredRecord(w)
	number := w.stream.remember(r)
	programs.Await(w.t, "the producer to know the new partitions", func() error {
		return w.stream.client.ProduceSync(context.Background(), w.stream.message(more-1, r, number)).FirstErr()
	})
	w.stream.spread.Store(more)
	w.awaitAssigned(w.projectors[0], more)
	return nil
}

// publishInTransactions publishes records beside the stream: of two producers
// whose transactions overlap, each commits every second one.
func publishInTransactions(w *world) func() {
	const transactions, records = 10, 50
	ctx := context.Background()
	var producers [2]*kgo.Client
	for i := range producers {
		client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.TransactionalID(fmt.Sprintf("%s%d", w.topics, i)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(client.Close)
		producers[i] = client
	}
	for n := range transactions {
		var batches [len(producers)][]*kgo.Record
		for i, client := range producers {
			if err := client.BeginTransaction(); err != nil {
				w.t.Fatal(err)
			}
			for range records {
				r, number := scatteredRecord(w), unnumbered
				if (n+i)%2 == 0 {
					number = w.stream.remember(r)
				}
				batches[i] = append(batches[i], w.stream.message(int32(r.place%partitions), r, number))
			}
		}
		for i, client := range producers {
			if err := client.ProduceSync(ctx, batches[i]...).FirstErr(); err != nil {
				w.t.Fatal(err)
			}
		}
		for i, client := range producers {
			if err := client.EndTransaction(ctx, kgo.TransactionEndTry((n+i)%2 == 0)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return nil
}

// scatteredRecord makes a good record of a type whose order does not matter.
func scatteredRecord(w *world) record {
	for {
		for _, r := range randomStream(w.random, 10) {
			if r.activity.Board.Group == scatteredGroup && !r.poison {
				r.activity.Published = months[len(months)-1].UnixMilli()
				return r
			}
		}
	}
}

// deleteUnread stops the projector, and deletes half of what it has not read.
func deleteUnread(w *world) func() {
	w.projectors[0].Stop()
	w.leave(w.projectors[0])
	w.flowOn(0.2)
	w.stream.flush()
	ends, err := w.ends(w.activities())
	if err != nil {
		w.t.Fatal(err)
	}
	read, err := w.store.client.HGetAll(context.Background(), layout.FenceKey(0)).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	firsts, nexts := map[int32]int64{}, map[int32]int64{}
	for partition, end := range ends {
		next, err := strconv.ParseInt(read[fmt.Sprint(partition)], 10, 64)
		if err != nil || next >= end {
			w.t.Fatalf("partition %d is read up to %q of %d", partition, read[fmt.Sprint(partition)], end)
		}
		nexts[int32(partition)], firsts[int32(partition)] = next, next+(end-next+1)/2
	}
	w.readLog(ends)
	w.deleteBefore(firsts)
	w.lost = func(p place) bool { return p.offset >= nexts[p.partition] && p.offset < firsts[p.partition] }
	w.join().AwaitReady()
	return nil
}

// deleteBefore takes the beginning of each partition of the activities topic away.
func (w *world) deleteBefore(firsts map[int32]int64) {
	w.t.Helper()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = w.activities()
	for partition, first := range firsts {
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = partition, first
		topic.Partitions = append(topic.Partitions, p)
	}
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(context.Background(), w.stream.client)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range answer.Topics[0].Partitions {
		if p.ErrorCode != 0 || p.LowWatermark != firsts[p.Partition] {
			w.t.Fatalf("delete the records of partition %d before %d: code %d, it begins at %d", p.Partition, firsts[p.Partition], p.ErrorCode, p.LowWatermark)
		}
	}
}

func expectHoles(w *world) {
	w.t.Helper()
	if holes := w.metric("leaderboard_holes_total", "topic", w.activities()); holes != partitions {
		w.t.Errorf("%v holes were counted, there are %d", holes, partitions)
	}
	if log := w.projectors[0].Log(); strings.Count(log, "records were deleted before they were read") != partitions {
		w.t.Error("the holes are not in the log")
	}
	meta, err := w.store.client.HGetAll(context.Background(), leaderboard.MetaKey).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	noted := 0
	for field := range meta {
		if strings.HasPrefix(field, leaderboard.MetaHolePrefix(layout.Generation)) {
			noted++
		}
	}
	if noted != partitions {
		w.t.Errorf("%s has %v", leaderboard.MetaKey, meta)
	}
}

// TestPoison publishes what is no activity.
func TestPoison(t *testing.T) {
	runScenarios(t, []scenario{
		{
			name:  "EveryPosition",
			fault: "A poison record in every position of a batch", promise: "It is a dead letter; its neighbours are on the boards.",
			inject: poisonEveryPosition,
		},
		{
			name:  "TenThousand",
			fault: "10,000 poison records in a row", promise: "Each is a dead letter; the stream goes on.",
			inject: poisonInARow,
		},
	})
}

// poisonEveryPosition publishes batches of up to eight records, each of which a
// producer sends at once, with the poison at every place.
func poisonEveryPosition(w *world) func() {
	const longest = 8
	for length := 1; length <= longest; length++ {
		for at := range length {
			for i := range length {
				r := scatteredRecord(w)
				if i == at {
					r = poisonRecord(w)
				}
				w.stream.publishTo(0, r)
			}
			w.stream.flush()
		}
	}
	return nil
}

func poisonInARow(w *world) func() {
	for range 10_000 {
		w.stream.publishTo(1, poisonRecord(w))
	}
	return nil
}

func poisonRecord(w *world) record {
	return record{
		activity: oracle.Activity{Published: months[len(months)-1].UnixMilli()},
		poison:   true, key: "poison", value: poisons[w.random.IntN(len(poisons))],
	}
}
