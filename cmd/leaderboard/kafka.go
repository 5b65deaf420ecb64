package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"leaderboard/cmd/internal/daemon"
	"leaderboard/consumer"
)

// kafkaTimeout is how long the brokers have to answer at the start.
const kafkaTimeout = 10 * time.Second

// reach reaches the brokers and makes no topic: one that is missing holds nothing.
func reach(ctx context.Context, settings *daemon.Kafka) (consumer.Cluster, error) {
	cluster, err := settings.Cluster(name)
	if err != nil {
		return cluster, err
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaTimeout)
	defer cancel()
	if err := cluster.Probe(ctx); err != nil {
		return cluster, fmt.Errorf("cannot use a broker that --kafka-brokers (KAFKA_BROKERS) names: %w", err)
	}
	return cluster, nil
}

// connect reaches the brokers and makes the topics that are missing.
func connect(ctx context.Context, settings *daemon.Kafka) (consumer.Cluster, error) {
	cluster, err := reach(ctx, settings)
	if err != nil {
		return cluster, err
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaTimeout)
	defer cancel()
	if _, err := cluster.EnsureTopics(ctx, settings.TopicNames().Plan(settings.Partitions)); err != nil {
		return cluster, fmt.Errorf("the brokers that --kafka-brokers (KAFKA_BROKERS) names do not have the topics: %w", err)
	}
	return cluster, nil
}

// checkFile finds fault with a file to read that is named but not there.
func checkFile(flag, path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return daemon.Mistakenf(flag, "there is no file %s", path)
	case err != nil:
		return daemon.Mistakenf(flag, "%v", err)
	case info.IsDir():
		return daemon.Mistakenf(flag, "%s is a directory", path)
	}
	return nil
}

// checkInput is [checkFile] for a file that is required and may be standard input.
func checkInput(path string) error {
	switch path {
	case "":
		return daemon.Mistakenf("file", "is missing; it names the file to read, or - for standard input")
	case "-":
		return nil
	}
	return checkFile("file", path)
}
