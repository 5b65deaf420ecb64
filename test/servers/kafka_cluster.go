package servers

import (
	"context"
	"maps"
	"strconv"
	"testing"
)

// KafkaCluster starts a Kafka of so many brokers, the test's own. Every topic has
// a replica on each of them, and takes a record when all but one have it. The
// first broker is the controller as well: the others can be stopped or killed,
// the Kafka goes on without one of them. Broker i of the answer has the id i+1.
//
// The brokers are processes even where a Docker engine answers: containers do
// not reach one another at the addresses that clients use.
func KafkaCluster(t testing.TB, brokers int) []*Process {
	t.Helper()
	c := kafkaCluster{id: newClusterID(), size: brokers}
	all := make([]*Process, brokers)
	for i := range all {
		s, err := launch(context.Background(), func(port int) (*server, error) { return c.newBroker(i+1, port) })
		if err != nil {
			t.Fatalf("start broker %d of a Kafka: %v", i+1, err)
		}
		all[i] = control(t, s)
	}
	return all
}

// kafkaCluster is what the brokers of one Kafka have in common.
type kafkaCluster struct {
	id         string
	size       int
	controller string // where broker 1 listens as the controller
}

func (c *kafkaCluster) newBroker(id, port int) (*server, error) {
	m, origin, err := c.newProcess(id, port)
	if err != nil {
		return nil, err
	}
	return newKafkaServer(m, origin, loopback(port), c.id), nil
}

// newProcess makes the process of a broker. Broker 1 has to be the first.
func (c *kafkaCluster) newProcess(id, port int) (m machine, origin string, err error) {
	settings := maps.Clone(kafkaSettings)
	listeners := "PLAINTEXT://" + loopback(port)
	if id == 1 {
		controller, err := FreePort()
		if err != nil {
			return nil, "", err
		}
		c.controller = loopback(controller)
		listeners += ",CONTROLLER://" + c.controller
	} else {
		settings["process.roles"] = "broker"
	}
	all, enough := strconv.Itoa(c.size), strconv.Itoa(max(1, c.size-1))
	maps.Copy(settings, map[string]string{
		"node.id":                                          strconv.Itoa(id),
		"listeners":                                        listeners,
		"controller.quorum.voters":                         "1@" + c.controller,
		"default.replication.factor":                       all,
		"min.insync.replicas":                              enough,
		"offsets.topic.replication.factor":                 all,
		"transaction.state.log.replication.factor":         all,
		"transaction.state.log.min.isr":                    enough,
		"share.coordinator.state.topic.replication.factor": all,
		"share.coordinator.state.topic.min.isr":            enough,
	})
	return newKafkaProcess(c.id, settings)
}
