// Command publish publishes an activity, and returns once all replicas have it.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

type activity struct {
	EventID       string      `json:"eventId"`
	OrgID         int64       `json:"orgId"`
	UserID        int64       `json:"userId"`
	TargetGroupID int64       `json:"targetGroupId"`
	TargetRuleID  int64       `json:"targetRuleId"`
	Value         json.Number `json:"value"`
	ActivityTime  time.Time   `json:"activityTime"`
}

func main() {
	if err := publish(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func publish(ctx context.Context) error {
	brokers := cmp.Or(os.Getenv("KAFKA_BROKERS"), "localhost:9092")
	writer := &kafka.Writer{
		Addr:         kafka.TCP(strings.Split(brokers, ",")...),
		Topic:        "leaderboard.activities",
		Balancer:     kafka.Murmur2Balancer{}, // as the Java client: the default goes by no key
		RequiredAcks: kafka.RequireAll,        // the default waits for nobody
		BatchTimeout: 5 * time.Millisecond,    // the default keeps a record for a second
		Compression:  kafka.Lz4,
	}
	a := activity{
		// kafka-go is no idempotent producer: what it sends twice counts once by this id.
		EventID: rand.Text(),
		OrgID:   50711, UserID: 381400003, TargetGroupID: 232, TargetRuleID: 366,
		Value: "120.125", ActivityTime: time.Date(2022, 11, 26, 10, 0, 0, 0, time.UTC),
	}
	value, err := json.Marshal(a)
	if err != nil {
		return err
	}
	key := fmt.Appendf(nil, "%d:%d", a.OrgID, a.UserID)
	if err := writer.WriteMessages(ctx, kafka.Message{Key: key, Value: value}); err != nil {
		return err
	}
	fmt.Println("published")
	return writer.Close()
}
