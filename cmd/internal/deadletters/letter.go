// Package deadletters reads the dead letters and settles them: their records are
// published again, or discarded.
package deadletters

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"leaderboard"
	"leaderboard/consumer"
)

// Letter is a dead letter: a record as it came, and why it was refused.
type Letter struct {
	// At is where the dead letter lies, Record where the record lies that it
	// speaks of.
	At, Record consumer.Place
	// Origin is the [consumer.Place] where the record was published first. It is Record
	// unless that one was published from the dead letters.
	Origin string
	Time   time.Time
	Reason consumer.Reason
	Detail string
	// Board is the record's board, org:group:rule:period, without what cannot be
	// told at its end.
	Board      string
	Key, Value []byte
	// Headers are the record's own.
	Headers []kafka.Header
}

// ID names the letter among the dead letters: partition/offset.
func (l *Letter) ID() string { return fmt.Sprintf("%d/%d", l.At.Partition, l.At.Offset) }

// user is the record's user, orgId:userId, empty when it cannot be read: then it is
// refused whenever it is published.
func (l *Letter) user() string {
	// Ids count although something else in the record is wrong.
	a, _ := consumer.DecodeActivity(l.Value, leaderboard.MaxMillis)
	if a.OrgID <= 0 || a.UserID <= 0 {
		return ""
	}
	return leaderboard.UserKey(a.OrgID, a.UserID)
}

// parseLetter reads a record of the dead letters topic.
func parseLetter(topic string, r consumer.LogRecord, catalog *leaderboard.Catalog) (Letter, error) {
	l := Letter{At: consumer.Place{Topic: topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value}
	dead := map[string]string{}
	for _, h := range r.Headers {
		if strings.HasPrefix(h.Key, "dl.") {
			dead[h.Key] = string(h.Value)
		} else {
			l.Headers = append(l.Headers, h)
		}
	}
	l.Reason, l.Detail = consumer.Reason(dead[consumer.HeaderReason]), dead[consumer.HeaderDetail]
	var err error
	if l.Record, err = consumer.PlaceOfDeadLetter(r.Headers); err != nil {
		return l, err
	}
	if l.Time, err = time.Parse(time.RFC3339, dead[consumer.HeaderTime]); err != nil {
		return l, fmt.Errorf("header %s: %w", consumer.HeaderTime, err)
	}
	l.Origin = l.Record.String()
	if origin := dead[consumer.HeaderOrigin]; origin != "" {
		l.Origin = origin
	}
	l.Board = boardOf(l.Value, catalog)
	return l, nil
}

// boardOf tells a record's board as far as it goes.
func boardOf(record []byte, catalog *leaderboard.Catalog) string {
	// Ids count although something else in the record is wrong.
	var ids struct {
		Org    leaderboard.OrgID         `json:"orgId"`
		Group  leaderboard.TargetGroupID `json:"targetGroupId"`
		Rule   leaderboard.TargetRuleID  `json:"targetRuleId"`
		Period leaderboard.PeriodID      `json:"periodId"`
	}
	_ = json.Unmarshal(record, &ids)
	if a, err := consumer.DecodeActivity(record, leaderboard.MaxMillis); err == nil {
		ids.Org, ids.Group, ids.Rule, ids.Period = a.OrgID, a.GroupID, a.RuleID, a.Period
		if group := catalog.Group(a.GroupID); group != nil && a.Period == 0 {
			if period := group.PeriodAt(a.Time); period != nil {
				ids.Period = period.PeriodID
			}
		}
	}
	var known []string
	for _, id := range []int64{int64(ids.Org), int64(ids.Group), int64(ids.Rule), int64(ids.Period)} {
		if id <= 0 {
			break
		}
		known = append(known, strconv.FormatInt(id, 10))
	}
	return strings.Join(known, ":")
}
