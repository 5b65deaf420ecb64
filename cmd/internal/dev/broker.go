package dev

import (
	"context"
	"fmt"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard/consumer"
)

// startBroker starts the embedded broker; with a directory it keeps its log
// there, else in memory. The caller closes it.
func startBroker(listen, directory string) (*kfake.Cluster, consumer.Cluster, error) {
	options := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("leaderboard-dev"),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, listen) }),
	}
	if directory != "" {
		options = append(options, kfake.DataDir(directory))
	}
	broker, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, consumer.Cluster{}, fmt.Errorf("cannot start the embedded broker where --kafka-listen (KAFKA_LISTEN) says, %s: %w", listen, err)
	}
	return broker, consumer.Cluster{Brokers: broker.ListenAddrs(), ClientID: "leaderboard-dev"}, nil
}

// isEmpty tells whether a topic holds no record.
func isEmpty(ctx context.Context, cluster consumer.Cluster, topic string) (bool, error) {
	client := cluster.Client(topic)
	defer client.Transport.(*kafka.Transport).CloseIdleConnections()
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return false, fmt.Errorf("look at topic %s: %w", topic, err)
	}
	var ends []kafka.OffsetRequest
	for _, partition := range metadata.Topics[0].Partitions {
		ends = append(ends, kafka.LastOffsetOf(partition.ID))
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ends}})
	if err != nil {
		return false, fmt.Errorf("look at topic %s: %w", topic, err)
	}
	for _, partition := range offsets.Topics[topic] {
		if partition.LastOffset > 0 {
			return false, nil
		}
	}
	return true, nil
}
