package daemon

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

type testProgram struct {
	Kafka   Kafka            `embed:"" prefix:"kafka-" envprefix:"KAFKA_"`
	Redis   Redis            `embed:"" prefix:"redis-" envprefix:"REDIS_"`
	Log     Log              `embed:"" set:"log_level=info"`
	Every   time.Duration    `env:"EVERY" default:"5s" help:"A time."`
	Version kong.VersionFlag `help:"Print the version."`
}

func (p *testProgram) Check() error {
	return errors.Join(p.Kafka.Check(), p.Redis.Check(), p.Log.Check(), CheckPositive("every", p.Every))
}

func parse(t *testing.T, p *testProgram, args ...string) error {
	t.Helper()
	_, err := Parse(p, "test", "A test.", "v1", args, &bytes.Buffer{})
	return err
}

func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestDefaultsAreAccepted(t *testing.T) {
	var p testProgram
	if err := parse(t, &p); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Kafka.Brokers, []string{"127.0.0.1:9092"}) || p.Kafka.Topics.Activities != "leaderboard.activities" || p.Every != 5*time.Second {
		t.Errorf("defaults are %+v", p)
	}
}

func TestFlagComesBeforeEnvironment(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "env:1,env:2")
	t.Setenv("REDIS_ADDRS", "env:3")
	var p testProgram
	if err := parse(t, &p, "--redis-addrs", "flag:4"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Kafka.Brokers, []string{"env:1", "env:2"}) || !slices.Equal(p.Redis.Addrs, []string{"flag:4"}) {
		t.Errorf("brokers %v, redis %v", p.Kafka.Brokers, p.Redis.Addrs)
	}
}

func TestEveryMistakeIsNamedOnce(t *testing.T) {
	t.Setenv("KAFKA_PARTITIONS", "many")
	var p testProgram
	got := lines(parse(
		t, &p, "--kafka-brokers", "nowhere", "--redis-addrs", "a:1,b:x", "--redis-db", "3", "--every", "-1s",
		"--kafka-sasl-mechanism", "magic", "--kafka-sasl-user", "u", "--log-level", "loud", "--kafka-profiles-topic", "leaderboard.catalog",
	))
	want := []string{
		"--kafka-partitions (KAFKA_PARTITIONS): ",
		"--kafka-brokers (KAFKA_BROKERS): ",
		"--kafka-profiles-topic (KAFKA_PROFILES_TOPIC): ",
		"--kafka-sasl-password (KAFKA_SASL_PASSWORD): ",
		"--kafka-sasl-mechanism (KAFKA_SASL_MECHANISM): ",
		"--redis-addrs (REDIS_ADDRS): ",
		"--redis-db (REDIS_DB): ",
		"--log-level (LOG_LEVEL): ",
		"--every (EVERY): ",
	}
	for _, prefix := range want {
		count := 0
		for _, line := range got {
			if strings.HasPrefix(line, prefix) {
				count++
			}
		}
		if count != 1 {
			t.Errorf("%q is named %d times", prefix, count)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d mistakes, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestWrongTypeIsNotFoundWrongTwice(t *testing.T) {
	var p testProgram
	got := lines(parse(t, &p, "--every", "soon"))
	if len(got) != 1 || !strings.Contains(got[0], `"soon"`) {
		t.Errorf("mistakes: %q", got)
	}
}

func TestPasswordsAreNotRepeated(t *testing.T) {
	const secret = "hunter2"
	t.Setenv("KAFKA_SASL_PASSWORD", secret)
	t.Setenv("REDIS_PASSWORD", secret)
	t.Setenv("REDIS_SENTINEL_PASSWORD", secret)
	var p testProgram
	var help bytes.Buffer
	err := parse(t, &p)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error is %v", err)
	}
	parsed, err := Parse(&p, "test", "A test.", "v1", []string{"--help"}, &help)
	if err != nil || !parsed.Done || strings.Contains(help.String(), secret) {
		t.Errorf("help (done %v, error %v):\n%s", parsed.Done, err, help.String())
	}
}

func TestEveryFlagHasAnEnvironmentVariable(t *testing.T) {
	parser, err := kong.New(new(testProgram), kong.Vars{"version": "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if len(flag.Envs) == 0 && flag.Name != "help" && flag.Name != "version" {
			t.Errorf("--%s has none", flag.Name)
		}
	}
}

func TestVersionIsPrinted(t *testing.T) {
	var out bytes.Buffer
	parsed, err := Parse(new(testProgram), "test", "A test.", "v1", []string{"--version"}, &out)
	if err != nil || !parsed.Done || out.String() != "test v1\n" {
		t.Errorf("printed %q, done %v, error %v", out.String(), parsed.Done, err)
	}
}

func TestSASLMechanisms(t *testing.T) {
	for _, c := range []struct{ flag, name string }{
		{"plain", "PLAIN"}, {"scram-sha-256", "SCRAM-SHA-256"}, {"SCRAM-SHA-512", "SCRAM-SHA-512"},
	} {
		var p testProgram
		if err := parse(t, &p, "--kafka-sasl-mechanism", c.flag, "--kafka-sasl-user", "u", "--kafka-sasl-password", "p"); err != nil {
			t.Fatal(err)
		}
		cluster, err := p.Kafka.Cluster("test")
		if err != nil || cluster.SASL.Name() != c.name || cluster.TLS != nil {
			t.Errorf("%s: %+v, %v", c.flag, cluster, err)
		}
	}
}

func TestTLSFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	var p testProgram
	got := lines(parse(t, &p, "--kafka-tls-ca", path, "--redis-tls-cert", "cert.pem"))
	if len(got) != 2 || !strings.HasPrefix(got[0], "--kafka-tls-ca (KAFKA_TLS_CA): "+path) || !strings.HasPrefix(got[1], "--redis-tls-key (REDIS_TLS_KEY): ") {
		t.Errorf("mistakes: %q", got)
	}
	if err := parse(t, &p, "--kafka-tls"); err != nil {
		t.Fatal(err)
	}
	if cluster, err := p.Kafka.Cluster("test"); err != nil || cluster.TLS == nil {
		t.Errorf("TLS %v, error %v", cluster.TLS, err)
	}
}
