package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"leaderboard"
)

const (
	loopMaxBytes = 2 << 20
	loopMaxWait  = 500 * time.Millisecond
	loopRetry    = 100 * time.Millisecond
)

// consume is the bare loop, once for every partition: fetch a batch, send its
// ZINCRBY in one pipeline. It is started while the topic is empty.
func (s *bareService) consume(ctx context.Context, broker, topic string) error {
	partitions, err := kafka.DefaultDialer.LookupPartitions(ctx, "tcp", broker, topic)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range partitions {
		group.Go(func() error { return s.consumePartition(ctx, broker, topic, p.ID) })
	}
	return group.Wait()
}

func (s *bareService) consumePartition(ctx context.Context, broker, topic string, partition int) error {
	client := &kafka.Client{Addr: kafka.TCP(broker), Transport: &kafka.Transport{MetadataTopics: []string{topic}}}
	next := int64(0)
	for {
		answer, err := client.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: next, MinBytes: 1, MaxBytes: loopMaxBytes, MaxWait: loopMaxWait,
		})
		if err == nil {
			err = answer.Error
		}
		if err == nil {
			next, err = s.applyRecords(ctx, answer.Records, next)
		}
		if passing, known := errors.AsType[kafka.Error](err); known && passing.Temporary() {
			time.Sleep(loopRetry) // a topic that is new has no leader at once
			continue
		}
		if err != nil {
			return err
		}
	}
}

// applyRecords neither knows what it has counted before nor looks at types and times.
func (s *bareService) applyRecords(ctx context.Context, records kafka.RecordReader, next int64) (after int64, err error) {
	pipe := s.redis.Pipeline()
	for {
		r, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		text, err := kafka.ReadAll(r.Value)
		if err != nil {
			return 0, err
		}
		if r.Offset < next { // the broker begins with a whole batch
			continue
		}
		next = r.Offset + 1
		var activity struct {
			OrgID   leaderboard.OrgID         `json:"orgId"`
			UserID  leaderboard.UserID        `json:"userId"`
			GroupID leaderboard.TargetGroupID `json:"targetGroupId"`
			RuleID  leaderboard.TargetRuleID  `json:"targetRuleId"`
			Period  leaderboard.PeriodID      `json:"periodId"`
			Value   float64                   `json:"value"`
		}
		if err := json.Unmarshal(text, &activity); err != nil {
			return 0, err
		}
		board := leaderboard.Board{Org: activity.OrgID, Group: activity.GroupID, Rule: activity.RuleID, Period: activity.Period}
		pipe.ZIncrBy(ctx, plainKey(board), activity.Value*1000, strconv.FormatInt(int64(activity.UserID), 10))
	}
	if pipe.Len() == 0 {
		return next, nil
	}
	_, err = pipe.Exec(ctx)
	return next, err
}

// createTopic makes a topic with as many partitions as the arena's own.
func (a *arena) createTopic(name string) {
	a.b.Helper()
	client := &kafka.Client{Addr: kafka.TCP(a.brokers...), Timeout: 10 * time.Second}
	answer, err := client.CreateTopics(context.Background(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: name, NumPartitions: len(a.streams.partitions), ReplicationFactor: 1},
	}})
	if err == nil {
		err = answer.Errors[name]
	}
	if err != nil {
		a.b.Fatalf("create topic %s: %v", name, err)
	}
}
