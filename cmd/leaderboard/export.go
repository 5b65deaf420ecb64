package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/schollz/progressbar/v3"

	"leaderboard"
	"leaderboard/cmd/internal/daemon"
	"leaderboard/consumer"
	"leaderboard/projector"
)

type exportCommand struct {
	Org   leaderboard.OrgID  `env:"ORG" placeholder:"N" help:"Organisation of the user."`
	User  leaderboard.UserID `env:"USER_ID" placeholder:"N" help:"User whose data to print."`
	JSON  bool               `env:"EXPORT_JSON" help:"Print JSON, as is done in any case."`
	Kafka daemon.Kafka       `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis daemon.Redis       `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log   daemon.Log         `embed:"" set:"log_level=warn"`
}

// Help is what --help says besides.
func (c *exportCommand) Help() string {
	return `Prints as JSON all that is held about a user: the profile, the entries on the boards that are read, and every record in the topics of activities, profiles, dead letters and erasures, which it reads once from end to end. Snapshots and the archives of the brokers are not searched.`
}

// Check names every wrong setting.
func (c *exportCommand) Check() error {
	return errors.Join(daemon.CheckPositive("org", c.Org), daemon.CheckPositive("user", c.User), c.Kafka.Check(), c.Redis.Check(), c.Log.Check())
}

// export is everything held about a user.
type export struct {
	OrgID  leaderboard.OrgID  `json:"orgId"`
	UserID leaderboard.UserID `json:"userId"`
	// Profile is the record of the profiles topic as Redis has it.
	Profile json.RawMessage  `json:"profile"`
	Entries []exportedEntry  `json:"entries"`
	Records []exportedRecord `json:"records"`
}

type exportedEntry struct {
	TargetGroupID leaderboard.TargetGroupID `json:"targetGroupId"`
	TargetRuleID  leaderboard.TargetRuleID  `json:"targetRuleId"`
	PeriodID      leaderboard.PeriodID      `json:"periodId"`
	// AchievedValue is nil and Rank 0 when the board has lost the user's place.
	AchievedValue    *leaderboard.Value `json:"achievedValue"`
	LastActivityTime time.Time          `json:"lastActivityTime"`
	Rank             int64              `json:"rank"`
}

// exportedRecord is a record with its value: JSON as it is, else a string, null for
// a tombstone.
type exportedRecord struct {
	Topic     string            `json:"topic"`
	Partition int               `json:"partition"`
	Offset    int64             `json:"offset"`
	Published time.Time         `json:"published"`
	Key       string            `json:"key"`
	Headers   map[string]string `json:"headers,omitempty"`
	Value     any               `json:"value"`
}

func (c *exportCommand) execute(ctx context.Context, std streams) error {
	c.Log.Logger(std.err) // takes what the Redis client has to say
	store, err := connectRedis(ctx, &c.Redis)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	cluster, err := reach(ctx, &c.Kafka)
	if err != nil {
		return err
	}
	e := &export{OrgID: c.Org, UserID: c.User, Entries: []exportedEntry{}, Records: []exportedRecord{}}
	if err := e.readStore(ctx, store); err != nil {
		return err
	}
	bar := progress(std.err, "records", -1)
	topics := c.Kafka.Topics
	for _, topic := range []string{topics.Activities, topics.Profiles, topics.DeadLetters, topics.Erasures} {
		if err := e.readTopic(ctx, cluster, topic, bar); err != nil {
			return fmt.Errorf("read topic %s: %w", topic, err)
		}
	}
	return errors.Join(bar.Finish(), writeJSON(std.out, e))
}

// readStore takes the profile and the entries from Redis.
func (e *export) readStore(ctx context.Context, store redis.UniversalClient) error {
	profile, err := store.HGet(ctx, leaderboard.ProfilesKey(e.OrgID), leaderboard.MemberUser(e.UserID)).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	e.Profile = profile
	layout, _, err := projector.ReadNotes(ctx, store, 0)
	if err != nil {
		return err
	}
	for shard := range layout.Shards {
		names, err := store.HKeys(ctx, layout.BoardsKey(shard)).Result()
		if err != nil {
			return err
		}
		slices.Sort(names)
		for _, name := range names {
			board, err := leaderboard.ParseBoard(name)
			if err != nil {
				return fmt.Errorf("%s: %w", layout.BoardsKey(shard), err)
			}
			if board.Org != e.OrgID {
				continue
			}
			if err := e.readEntry(ctx, store, layout, board); err != nil {
				return fmt.Errorf("board %s: %w", name, err)
			}
		}
	}
	return nil
}

// rankAttempts bounds how often a user's place is looked for that moves meanwhile.
const rankAttempts = 10

// readEntry takes the user's entry on a board, if there is one.
func (e *export) readEntry(ctx context.Context, store redis.UniversalClient, l leaderboard.Layout, b leaderboard.Board) error {
	var entry exportedEntry
	for range rankAttempts {
		text, err := store.HGet(ctx, l.UsersKey(b), leaderboard.UserField(e.UserID)).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			return err
		}
		at, err := leaderboard.ParseMemberTime(text)
		if err != nil {
			return err
		}
		entry = exportedEntry{TargetGroupID: b.Group, TargetRuleID: b.Rule, PeriodID: b.Period, LastActivityTime: at.Time()}
		found, err := entry.readPlace(ctx, store, l, b, leaderboard.Member(at, e.UserID))
		if err != nil {
			return err
		}
		if found {
			break
		}
	}
	e.Entries = append(e.Entries, entry)
	return nil
}

// readPlace takes value and rank of a member, unless it has moved meanwhile.
func (e *exportedEntry) readPlace(ctx context.Context, store redis.UniversalClient, l leaderboard.Layout, b leaderboard.Board, member [leaderboard.MemberSize]byte) (found bool, err error) {
	tx := store.TxPipeline()
	place := tx.ZRevRank(ctx, l.RankKey(b), string(member[:]))
	score := tx.ZScore(ctx, l.RankKey(b), string(member[:]))
	rule := tx.HGet(ctx, l.RulesKey(l.Shard(b)), b.String())
	if _, err := tx.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return false, err
	}
	if errors.Is(place.Err(), redis.Nil) {
		return false, nil
	}
	r, err := leaderboard.ParseRule(rule.Val())
	if err != nil {
		return false, err
	}
	value := leaderboard.ValueOfScore(score.Val(), r.Order)
	e.AchievedValue, e.Rank = &value, place.Val()+1
	return true, nil
}

// readTopic takes the records about the user.
func (e *export) readTopic(ctx context.Context, cluster consumer.Cluster, topic string, bar *progressbar.ProgressBar) error {
	extents, err := consumer.Extents(ctx, cluster, topic)
	if err != nil {
		return err
	}
	for _, extent := range extents {
		err := consumer.ReadLog(ctx, cluster, topic, extent, func(r consumer.LogRecord) error {
			if e.isAbout(r) {
				e.Records = append(e.Records, newExportedRecord(topic, r))
			}
			return bar.Add(1)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isAbout tells whether a record is about the user. What it says itself goes before
// its key, by which producers may say something else.
func (e *export) isAbout(r consumer.LogRecord) bool {
	// Ids count although something else in the record is wrong.
	a, _ := consumer.DecodeActivity(r.Value, r.Published)
	org, user := a.OrgID, a.UserID
	if org == 0 || user == 0 {
		p, _ := leaderboard.ParseProfile(r.Value)
		org, user = p.OrgID, p.UserID
	}
	if org > 0 && user > 0 {
		return org == e.OrgID && user == e.UserID
	}
	return strings.TrimSpace(string(r.Key)) == leaderboard.UserKey(e.OrgID, e.UserID)
}

func newExportedRecord(topic string, r consumer.LogRecord) exportedRecord {
	exported := exportedRecord{Topic: topic, Partition: r.Partition, Offset: r.Offset, Published: r.Published.Time(), Key: readable(r.Key)}
	switch {
	case r.Value == nil:
	case json.Valid(r.Value):
		exported.Value = json.RawMessage(r.Value)
	default:
		exported.Value = readable(r.Value)
	}
	for _, h := range r.Headers {
		if exported.Headers == nil {
			exported.Headers = map[string]string{}
		}
		exported.Headers[h.Key] = readable(h.Value)
	}
	return exported
}
