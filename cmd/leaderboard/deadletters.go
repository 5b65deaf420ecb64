package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/deadletters"
	"leaderboard/consumer"
)

// letterBox are the settings of the dead letters.
type letterBox struct {
	SettledTopic string       `name:"kafka-settled-topic" env:"KAFKA_SETTLED_TOPIC" placeholder:"TOPIC" help:"Topic of what became of dead letters; without it the dead letters' topic with .settled added."`
	Kafka        daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// open reaches the topics and makes those that are missing.
func (b *letterBox) open(ctx context.Context, std streams) (*deadletters.Box, error) {
	cluster, err := connect(ctx, &b.Kafka)
	if err != nil {
		return nil, err
	}
	if _, err := cluster.EnsureTopics(ctx, consumer.TopicPlan{consumer.Compacted(b.settledTopic())}); err != nil {
		return nil, err
	}
	box := b.box(cluster, slog.New(slog.NewTextHandler(std.err, nil)))
	return &box, nil
}

func (b *letterBox) settledTopic() string {
	return cmp.Or(b.SettledTopic, b.Kafka.Topics.DeadLetters+".settled")
}

func (b *letterBox) box(cluster consumer.Cluster, log *slog.Logger) deadletters.Box {
	topics := b.Kafka.Topics
	return deadletters.Box{
		Cluster: cluster, Topic: topics.DeadLetters, SettledTopic: b.settledTopic(), CatalogTopic: topics.Catalog,
		ProfilesTopic: topics.Profiles, ErasuresTopic: topics.Erasures, Log: log,
	}
}

// letterFilter are the settings that choose dead letters.
type letterFilter struct {
	Reason []string `env:"DEADLETTERS_REASON" placeholder:"NAME" help:"Only those of this reason, several separated by commas."`
	Since  string   `env:"DEADLETTERS_SINCE" placeholder:"TIME" help:"Only those from this time on: 2026-01-31T12:00:00Z, or 24h for a day ago."`
	Until  string   `env:"DEADLETTERS_UNTIL" placeholder:"TIME" help:"Only those before this time, given as --since is."`
	Board  string   `env:"DEADLETTERS_BOARD" placeholder:"ORG:GROUP:RULE:PERIOD" help:"Only those of this board, or of all boards that begin so; a record whose ids cannot be read has no board."`
	Topic  string   `env:"DEADLETTERS_TOPIC" placeholder:"TOPIC" help:"Only those of records that came from this topic."`
}

var (
	boardPattern  = regexp.MustCompile(`^[1-9]\d*(:[1-9]\d*){0,3}$`)
	letterPattern = regexp.MustCompile(`^\d+/\d+$`)
)

// filter reads the settings; the error names every wrong one.
func (f *letterFilter) filter() (deadletters.Filter, error) {
	chosen := deadletters.Filter{Board: f.Board, Topic: f.Topic}
	var mistakes []error
	for _, text := range f.Reason {
		reason := consumer.Reason(text)
		if !slices.Contains(consumer.Reasons, reason) {
			mistakes = append(mistakes, daemon.Mistakenf("reason", "%q is none of %v", text, consumer.Reasons))
		}
		chosen.Reasons = append(chosen.Reasons, reason)
	}
	if f.Board != "" && !boardPattern.MatchString(f.Board) {
		mistakes = append(mistakes, daemon.Mistakenf("board", "%q is not org:group:rule:period or the beginning of it", f.Board))
	}
	var sinceErr, untilErr error
	chosen.Since, sinceErr = moment("since", f.Since)
	chosen.Until, untilErr = moment("until", f.Until)
	return chosen, errors.Join(append(mistakes, sinceErr, untilErr)...)
}

func (f *letterFilter) isEmpty() bool {
	return len(f.Reason) == 0 && f.Since == "" && f.Until == "" && f.Board == "" && f.Topic == ""
}

// moment reads a time, or how long ago it was; none is the zero time.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, daemon.Mistakenf(flag, "%q is neither a time, such as 2026-01-31T12:00:00Z, nor a duration, such as 24h", text)
	}
	return at, nil
}

type listLettersCommand struct {
	letterFilter
	Output output `embed:"" envprefix:"DEADLETTERS_"`
	letterBox
}

// Check names every wrong setting.
func (c *listLettersCommand) Check() error {
	_, err := c.filter()
	return errors.Join(err, c.Kafka.Check())
}

func (c *listLettersCommand) execute(ctx context.Context, std streams) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	box, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	list := newLetterList()
	bar := progress(std.err, "dead letters", -1)
	err = box.Each(ctx, filter, func(l deadletters.Letter) error {
		list.add(&l)
		return bar.Add(1)
	})
	if err := errors.Join(err, bar.Finish()); err != nil {
		return err
	}
	return list.print(std.out, c.Output, "dead letters")
}

type showLetterCommand struct {
	Letter string `arg:"" placeholder:"PARTITION/OFFSET" help:"The letter, as deadletters list names it."`
	Output output `embed:"" envprefix:"DEADLETTERS_"`
	letterBox
}

// Check names every wrong setting.
func (c *showLetterCommand) Check() error {
	return errors.Join(checkLetters([]string{c.Letter}), c.Kafka.Check())
}

func (c *showLetterCommand) execute(ctx context.Context, std streams) error {
	box, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	letter, settlement, err := box.Find(ctx, c.Letter)
	if err != nil {
		return err
	}
	shown := newShownLetter(&letter, settlement)
	return c.Output.print(std.out, shown, shown.writeText)
}

// settleSettings are those of the two commands that settle dead letters.
type settleSettings struct {
	Letters []string `arg:"" optional:"" placeholder:"PARTITION/OFFSET" help:"Only these letters, as deadletters list names them."`
	letterFilter
	All    bool   `env:"DEADLETTERS_ALL" help:"All there are; needed when neither letters nor a filter are given."`
	Output output `embed:"" envprefix:"DEADLETTERS_"`
	letterBox
}

// Check names every wrong setting.
func (c *settleSettings) Check() error {
	_, err := c.filter()
	mistakes := []error{err, checkLetters(c.Letters), c.Kafka.Check()}
	if !c.All && len(c.Letters) == 0 && c.isEmpty() {
		mistakes = append(mistakes, daemon.Mistakenf("all", "is missing; without it name letters, or choose them by --reason, --since, --until, --board or --topic"))
	}
	return errors.Join(mistakes...)
}

// settleLetters is how many letters one transaction settles.
const settleLetters = 500

func (c *settleSettings) settle(ctx context.Context, std streams, as deadletters.Outcome) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	filter.IDs = c.Letters
	box, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	settler, err := deadletters.NewSettler(ctx, box)
	if err != nil {
		return err
	}
	defer settler.Close()
	list := newLetterList()
	bar := progress(std.err, "dead letters", -1)
	err = settleAll(ctx, box, filter, func(batch []deadletters.Letter) error {
		outcomes, err := settler.Settle(ctx, as, batch)
		if err != nil {
			return err
		}
		for i, outcome := range outcomes {
			if outcome == deadletters.Erased {
				list.addErased(&batch[i])
			} else {
				list.add(&batch[i])
			}
		}
		return bar.Add(len(batch))
	})
	err = errors.Join(err, bar.Finish(), list.print(std.out, c.Output, "dead letters "+string(as)))
	if err != nil {
		return err
	}
	return list.checkNamed(c.Letters)
}

// settleAll hands on the letters that the filter chooses, in batches.
func settleAll(ctx context.Context, box *deadletters.Box, filter deadletters.Filter, settle func([]deadletters.Letter) error) error {
	var batch []deadletters.Letter
	err := box.Each(ctx, filter, func(l deadletters.Letter) error {
		batch = append(batch, l)
		if len(batch) < settleLetters {
			return nil
		}
		full := batch
		batch = nil
		return settle(full)
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	return settle(batch)
}

type replayCommand struct{ settleSettings }

// Help is what --help says besides.
func (c *replayCommand) Help() string {
	return `A record whose user was erased after it was published first is not published again: its dead letter is settled as erased, and listed apart. So is one of a user who was ever erased, when the log does not go back to where the record was published first.`
}

func (c *replayCommand) execute(ctx context.Context, std streams) error {
	return c.settle(ctx, std, deadletters.Replayed)
}

type discardCommand struct{ settleSettings }

func (c *discardCommand) execute(ctx context.Context, std streams) error {
	return c.settle(ctx, std, deadletters.Discarded)
}

// checkLetters finds fault with letters that are named as arguments.
func checkLetters(ids []string) error {
	var mistakes []error
	for _, id := range ids {
		if !letterPattern.MatchString(id) {
			mistakes = append(mistakes, fmt.Errorf("%q is not partition/offset of a dead letter", id))
		}
	}
	return errors.Join(mistakes...)
}
