package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"leaderboard/cmd/internal/daemon"
)

func TestCredentialsOfTheBroker(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "operator", "right-secret"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(broker.Close)
			t.Setenv("KAFKA_BROKERS", broker.ListenAddrs()[0])
			t.Setenv("KAFKA_SASL_MECHANISM", strings.ToLower(mechanism))
			t.Setenv("KAFKA_SASL_USER", "operator")
			t.Setenv("KAFKA_SASL_PASSWORD", "right-secret")
			if code, _, words := invoke(t, "", "catalog", "show"); code != daemon.ExitOK {
				t.Errorf("code %d, words %q", code, words)
			}
			t.Setenv("KAFKA_SASL_PASSWORD", "wrong-secret")
			code, _, words := invoke(t, "", "catalog", "show")
			if code != daemon.ExitFailure || !strings.Contains(words, "Authentication") || strings.Contains(words, "wrong-secret") {
				t.Errorf("code %d, words %q", code, words)
			}
		})
	}
}
