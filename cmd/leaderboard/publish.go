package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/cmd/internal/feed"
)

type publishCommand struct {
	File   string       `short:"f" env:"ACTIVITIES_FILE" placeholder:"FILE.jsonl" help:"Activities, one JSON object a line, in order; .jsonl.gz too; - is standard input."`
	Rate   float64      `env:"PUBLISH_RATE" default:"0" placeholder:"N" help:"Activities a second; 0 is as fast as it goes (${default})."`
	Output output       `embed:"" envprefix:"PUBLISH_"`
	Kafka  daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *publishCommand) Check() error {
	mistakes := []error{c.Kafka.Check(), checkInput(c.File)}
	if c.Rate < 0 {
		mistakes = append(mistakes, daemon.Mistakenf("rate", "%v is negative", c.Rate))
	}
	return errors.Join(mistakes...)
}

func (c *publishCommand) execute(ctx context.Context, std streams) error {
	return publish(ctx, std, publication{
		output: c.Output, kafka: &c.Kafka, topic: c.Kafka.Topics.Activities, noun: "activities", file: c.File, rate: c.Rate, key: feed.ActivityKey,
	})
}

type profilesCommand struct {
	File   string       `short:"f" env:"PROFILES_FILE" placeholder:"FILE.jsonl" help:"Profiles, one JSON object a line; .jsonl.gz too; - is standard input."`
	Output output       `embed:"" envprefix:"PROFILES_"`
	Kafka  daemon.Kafka `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
}

// Check names every wrong setting.
func (c *profilesCommand) Check() error {
	return errors.Join(c.Kafka.Check(), checkInput(c.File))
}

func (c *profilesCommand) execute(ctx context.Context, std streams) error {
	return publish(ctx, std, publication{
		output: c.Output, kafka: &c.Kafka, topic: c.Kafka.Topics.Profiles, noun: "profiles", file: c.File, key: feed.ProfileKey,
	})
}

// publication is a file on its way into a topic.
type publication struct {
	output      output
	kafka       *daemon.Kafka
	topic, noun string
	file        string
	rate        float64
	key         func(line []byte) (string, error)
}

// publish sends the file and says how much of it was sent.
func publish(ctx context.Context, std streams, p publication) error {
	source, size, err := open(ctx, p.file, std.in)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	cluster, err := connect(ctx, p.kafka)
	if err != nil {
		return err
	}
	bar := progress(std.err, p.noun, size, progressbar.OptionShowBytes(true))
	lines, err := feed.Unpack(p.file, io.TeeReader(source, bar))
	if err != nil {
		return err
	}
	writer := cluster.Writer(p.topic)
	start := time.Now()
	published, err := feed.Lines{Writer: writer, Key: p.key, Rate: p.rate}.Publish(ctx, lines)
	err = errors.Join(err, writer.Close(), bar.Finish())
	elapsed := time.Since(start)
	printErr := p.output.print(std.out,
		map[string]any{p.noun: published, "topic": p.topic, "seconds": elapsed.Seconds()},
		sentence("%d %s published to %s in %s\n", published, p.noun, p.topic, elapsed.Round(time.Millisecond)))
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("interrupted after %d %s", published, p.noun)
	case err != nil:
		return fmt.Errorf("stopped after %d %s: %w", published, p.noun, err)
	}
	return printErr
}

// open gives the file, or standard input, and its size; -1 when it has none.
func open(ctx context.Context, path string, stdin io.Reader) (io.ReadCloser, int64, error) {
	if path == "-" {
		return interruptible(ctx, stdin), -1, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if !info.Mode().IsRegular() {
		return file, -1, nil
	}
	return file, info.Size(), nil
}

// interruptible ends with ctx even while the input keeps it waiting: a read of a
// terminal cannot be called off, so it is left behind until the program ends.
func interruptible(ctx context.Context, input io.Reader) io.ReadCloser {
	source, sink := io.Pipe()
	context.AfterFunc(ctx, func() { _ = sink.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(sink, input)
		_ = sink.CloseWithError(err)
	}()
	return source
}
