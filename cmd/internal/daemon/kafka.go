package daemon

import (
	"errors"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"leaderboard/consumer"
)

// Kafka are the settings of the brokers and topics, with the flag prefix kafka-
// and the environment prefix KAFKA_.
type Kafka struct {
	Brokers []string `env:"BROKERS" default:"127.0.0.1:9092" placeholder:"HOST:PORT" help:"Brokers to begin with (${default})."`
	TLS     TLS      `embed:""`
	SASL    SASL     `embed:"" prefix:"sasl-" envprefix:"SASL_"`
	Topics  Topics   `embed:""`
	// Partitions are those of topics that are missing and have to be created.
	Partitions int `env:"PARTITIONS" default:"4" placeholder:"N" help:"Partitions of topics that have to be created (${default})."`
}

// SASL are the credentials that Kafka asks for.
type SASL struct {
	Mechanism string `env:"MECHANISM" placeholder:"NAME" help:"One of plain, scram-sha-256, scram-sha-512; none without it."`
	User      string `env:"USER" placeholder:"NAME" help:"User to sign in as."`
	Password  string `env:"PASSWORD" placeholder:"SECRET" help:"The user's password; better given by the environment."`
}

// Topics are the names of the topics.
type Topics struct {
	Activities  string `name:"activities-topic" env:"ACTIVITIES_TOPIC" default:"leaderboard.activities" placeholder:"TOPIC" help:"Topic of activities (${default})."`
	Catalog     string `name:"catalog-topic" env:"CATALOG_TOPIC" default:"leaderboard.catalog" placeholder:"TOPIC" help:"Topic of the catalog (${default})."`
	Profiles    string `name:"profiles-topic" env:"PROFILES_TOPIC" default:"leaderboard.profiles" placeholder:"TOPIC" help:"Topic of profiles (${default})."`
	DeadLetters string `name:"deadletters-topic" env:"DEADLETTERS_TOPIC" default:"leaderboard.deadletters" placeholder:"TOPIC" help:"Topic of dead letters (${default})."`
	Erasures    string `name:"erasures-topic" env:"ERASURES_TOPIC" default:"leaderboard.erasures" placeholder:"TOPIC" help:"Topic of the erasures that are dealt with (${default})."`
}

// Check names what is wrong with the settings.
func (k *Kafka) Check() error {
	_, err := k.Cluster("")
	mistakes := []error{err, checkAddresses("kafka-brokers", k.Brokers)}
	if k.Partitions < 1 {
		mistakes = append(mistakes, Mistakenf("kafka-partitions", "%d is not at least 1", k.Partitions))
	}
	var named []string
	for _, topic := range []struct{ flag, name string }{
		{"kafka-activities-topic", k.Topics.Activities},
		{"kafka-catalog-topic", k.Topics.Catalog},
		{"kafka-profiles-topic", k.Topics.Profiles},
		{"kafka-deadletters-topic", k.Topics.DeadLetters},
		{"kafka-erasures-topic", k.Topics.Erasures},
	} {
		switch {
		case topic.name == "":
			mistakes = append(mistakes, Mistakenf(topic.flag, "is empty"))
		case slices.Contains(named, topic.name):
			mistakes = append(mistakes, Mistakenf(topic.flag, "%q is the name of another topic too", topic.name))
		}
		named = append(named, topic.name)
	}
	return errors.Join(mistakes...)
}

// Cluster is how to reach the brokers that the settings name.
func (k *Kafka) Cluster(clientID string) (consumer.Cluster, error) {
	tlsConfig, tlsErr := k.TLS.config("kafka")
	mechanism, saslErr := k.SASL.mechanism()
	return consumer.Cluster{
		Brokers:  k.Brokers,
		ClientID: clientID,
		TLS:      tlsConfig,
		SASL:     mechanism,
	}, errors.Join(tlsErr, saslErr)
}

// TopicNames are the names as the consumer wants them.
func (k *Kafka) TopicNames() consumer.Topics { return consumer.Topics(k.Topics) }

func (s SASL) mechanism() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		if s.User != "" || s.Password != "" {
			return nil, Mistakenf("kafka-sasl-mechanism", "is missing; a user and a password need it")
		}
		return nil, nil
	}
	var mistakes []error
	if s.User == "" {
		mistakes = append(mistakes, Mistakenf("kafka-sasl-user", "is missing; the mechanism needs it"))
	}
	if s.Password == "" {
		mistakes = append(mistakes, Mistakenf("kafka-sasl-password", "is missing; the mechanism needs it"))
	}
	algorithm := scram.SHA256
	switch strings.ToLower(s.Mechanism) {
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, errors.Join(mistakes...)
	case "scram-sha-256":
	case "scram-sha-512":
		algorithm = scram.SHA512
	default:
		mistakes = append(mistakes, Mistakenf("kafka-sasl-mechanism", "%q is none of plain, scram-sha-256, scram-sha-512", s.Mechanism))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	mechanism, err := scram.Mechanism(algorithm, s.User, s.Password)
	if err != nil {
		return nil, Mistakenf("kafka-sasl-user", "user and password do not make credentials for %s", s.Mechanism)
	}
	return mechanism, nil
}
