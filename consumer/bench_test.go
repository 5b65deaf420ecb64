package consumer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"leaderboard"
	"leaderboard/consumer/decodetest"
)

func BenchmarkDecodeActivity(b *testing.B) {
	for _, form := range []struct{ name, record string }{
		{"native", nativeOf(0)}, {"spaced", decodetest.Native}, {"wrapped", decodetest.Wrapped}, {"flat", decodetest.Flat}, {"rejected", decodetest.Native[:len(decodetest.Native)-1]},
	} {
		b.Run(form.name, func(b *testing.B) {
			record := []byte(form.record)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = DecodeActivity(record, decodetest.Published)
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	c := resolveCatalog(b)
	a := leaderboard.Activity{OrgID: 1, GroupID: 10, RuleID: 7, UserID: 5, Value: 3, Time: 1669392880000, Type: leaderboard.TypeActivity}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, rejection := Resolve(c, a); rejection != nil {
			b.Fatal(rejection)
		}
	}
}

// nativeOf is an activity as programs write it, without spaces.
func nativeOf(i int) string {
	return fmt.Sprintf(`{"orgId":1,"userId":%d,"targetGroupId":10,"targetRuleId":7,"value":%d.5,"activityTime":"2022-11-25T16:14:40.%03dZ"}`,
		381_000_000+i, i%1000, i%1000)
}

// fetchedRecords are so many records as Kafka sends them.
const fetchedRecords = 2500

// BenchmarkConsume is all that the consumer does with the answer to a fetch, by
// record: it takes the answer apart, decodes, resolves and counts.
func BenchmarkConsume(b *testing.B) {
	answer := fetched(b, fetchedRecords)
	c := resolveCatalog(b)
	a := &activities{
		boards: accepting{}, catalog: newCatalog(nil, "", slog.New(slog.DiscardHandler), newMetrics(prometheus.NewRegistry(), DefaultTopics())),
		refused: &Refused{}, metrics: newMetrics(prometheus.NewRegistry(), DefaultTopics()),
	}
	a.catalog.snapshot.Store(c)
	b.ReportAllocs()
	var messages []message
	for b.Loop() {
		var (
			next int64
			err  error
		)
		messages, next, err = readRecords(&partitionAnswer{Batches: answer}, 0, messages[:0])
		if err != nil || len(messages) != fetchedRecords {
			b.Fatalf("%d records: %v", len(messages), err)
		}
		records := make([]verdict, len(messages))
		for i, m := range messages {
			records[i] = a.decode(m)
		}
		sorted, err := a.sort(b.Context(), records)
		if err != nil {
			b.Fatal(err)
		}
		a.count(leaderboard.Batch{To: next, Records: sorted.counting}, leaderboard.Outcome{Applied: len(sorted.counting)}, sorted.others)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*fetchedRecords), "ns/record")
}

type accepting struct{ Boards }

func (accepting) Apply(context.Context, leaderboard.Batch) (leaderboard.Outcome, error) {
	return leaderboard.Outcome{}, nil
}

func fetched(b *testing.B, n int) []byte {
	b.Helper()
	records := make([]protocol.Record, n)
	for i := range records {
		records[i] = protocol.Record{
			Offset: int64(i), Time: decodetest.Published.Time(),
			Key: kafka.NewBytes(fmt.Appendf(nil, "1:%d", 381_000_000+i)), Value: kafka.NewBytes([]byte(nativeOf(i))),
		}
	}
	var wire bytes.Buffer
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Lz4, Records: protocol.NewRecordReader(records...)}
	if _, err := set.WriteTo(&wire); err != nil {
		b.Fatal(err)
	}
	return wire.Bytes()[4:] // without the length in front
}
