package dev

import (
	"fmt"
	"net"

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
