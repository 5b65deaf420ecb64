package servers

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// KafkaServer starts a Kafka of the test's own: one broker, which is also its
// own controller. It makes no topic by itself.
func KafkaServer(t testing.TB) *Process {
	t.Helper()
	s, err := launch(context.Background(), newKafka)
	if err != nil {
		t.Fatalf("start a Kafka: %v", err)
	}
	return control(t, s)
}

var kafkaImage = newImage("TEST_KAFKA_IMAGE", "apache/kafka:4.2.0")

func newKafka(port int) (*server, error) {
	cluster := newClusterID()
	if kafkaImage.usable() {
		addr, binding := engine().publish(port)
		m := newContainer(kafkaImage, kafkaPort, binding, nil, kafkaEnvironment(cluster, addr))
		return newKafkaServer(m, "container of "+kafkaImage.name, addr, cluster), nil
	}
	alone := kafkaCluster{id: cluster, size: 1}
	return alone.newBroker(1, port)
}

// newKafkaServer makes the server of a broker. Origin is what runs, with its version.
func newKafkaServer(m machine, origin, addr, cluster string) *server {
	return &server{machine: m, addr: addr, ready: func(ctx context.Context) error {
		err := kafkaReady(ctx, addr, cluster)
		if err == nil {
			announce("kafka", "kafka: %s started at %s", origin, addr)
		}
		return err
	}}
}

// newClusterID makes an id by which a broker is told from any other. It begins
// with a letter, so that no command line takes it for a flag.
func newClusterID() string {
	id := uuid.New()
	id[0] = 0
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// kafkaSettings are those of every Kafka for tests, however it runs: one broker,
// unless a [kafkaCluster] says otherwise, and nothing that makes a test wait.
var kafkaSettings = map[string]string{
	"node.id":                                          "1",
	"process.roles":                                    "broker,controller",
	"controller.listener.names":                        "CONTROLLER",
	"inter.broker.listener.name":                       "PLAINTEXT",
	"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
	"auto.create.topics.enable":                        "false",
	"num.partitions":                                   "4",
	"offsets.topic.num.partitions":                     "1",
	"offsets.topic.replication.factor":                 "1",
	"transaction.state.log.num.partitions":             "1",
	"transaction.state.log.replication.factor":         "1",
	"transaction.state.log.min.isr":                    "1",
	"share.coordinator.state.topic.replication.factor": "1",
	"share.coordinator.state.topic.min.isr":            "1",
	"group.initial.rebalance.delay.ms":                 "0",
	"broker.heartbeat.interval.ms":                     "500",
	"broker.session.timeout.ms":                        "3000",
}

// kafkaPort is where a Kafka listens inside its container.
const kafkaPort = 9092

// kafkaEnvironment is the configuration in the form that the image understands.
func kafkaEnvironment(cluster, addr string) map[string]string {
	env := map[string]string{
		"CLUSTER_ID":                     cluster,
		"KAFKA_HEAP_OPTS":                "-Xmx512m",
		"KAFKA_LISTENERS":                fmt.Sprintf("PLAINTEXT://:%d,CONTROLLER://:9093", kafkaPort),
		"KAFKA_ADVERTISED_LISTENERS":     "PLAINTEXT://" + addr,
		"KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
	}
	for name, value := range kafkaSettings {
		env["KAFKA_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))] = value
	}
	return env
}

// kafkaReady says whether the Kafka at addr has a broker and a controller. With a
// cluster id it has to be that Kafka, and addr one of its brokers.
func kafkaReady(ctx context.Context, addr, cluster string) error {
	transport := &kafka.Transport{Dial: (&net.Dialer{}).DialContext}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	switch {
	case err != nil:
		return err
	case cluster != "" && metadata.ClusterID != cluster:
		return fmt.Errorf("%s belongs to another Kafka", addr)
	case cluster != "" && !slices.ContainsFunc(metadata.Brokers, func(b kafka.Broker) bool {
		return net.JoinHostPort(b.Host, strconv.Itoa(b.Port)) == addr
	}):
		return fmt.Errorf("the broker at %s has not joined its Kafka yet", addr)
	case len(metadata.Brokers) == 0 || metadata.Controller.Host == "":
		return fmt.Errorf("the Kafka at %s has no broker yet", addr)
	}
	return nil
}
