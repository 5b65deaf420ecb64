package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// newKafkaProcess formats the storage of a broker and makes its process. Origin
// is what runs, with its version.
func newKafkaProcess(cluster string, settings map[string]string) (m machine, origin string, err error) {
	jars, version, err := KafkaJars()
	if err != nil {
		return nil, "", err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, "", errors.New("java is not on PATH; install a JRE of version 17 or later, or name a running Kafka in TEST_KAFKA_BROKERS")
	}
	dir, err := newDir("kafka")
	if err != nil {
		return nil, "", err
	}
	options := []string{
		"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(jars, "*"),
	}
	properties := filepath.Join(dir, "server.properties")
	if err := errors.Join(
		os.WriteFile(properties, []byte(kafkaProperties(dir, settings)), 0o600),
		formatKafka(java, options, cluster, properties),
	); err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(dir))
	}
	return newProcess(dir, java, append(options, "kafka.Kafka", properties)...), "Apache Kafka " + version, nil
}

func kafkaProperties(dir string, settings map[string]string) string {
	var b strings.Builder
	for name, value := range settings {
		fmt.Fprintf(&b, "%s=%s\n", name, value)
	}
	fmt.Fprintf(&b, "log.dirs=%s\n", filepath.Join(dir, "data"))
	return b.String()
}

func formatKafka(java string, options []string, cluster, properties string) error {
	format := slices.Concat(options, []string{"kafka.tools.StorageTool", "format", "--cluster-id", cluster, "--config", properties})
	if output, err := exec.Command(java, format...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the storage of Kafka: %w\n%s", err, output)
	}
	return nil
}

var kafkaJar = regexp.MustCompile(`^kafka_2\.13-(.+)\.jar$`)

// KafkaJars finds the directory of jars that `make servers` fills, here or in a
// directory above, and the version of Kafka that lies there.
func KafkaJars() (dir, version string, err error) {
	for dir, err = os.Getwd(); err == nil; dir = filepath.Dir(dir) {
		jars := filepath.Join(dir, ".build", "kafka")
		files, _ := os.ReadDir(jars)
		for _, file := range files {
			if match := kafkaJar.FindStringSubmatch(file.Name()); match != nil {
				return jars, match[1], nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", "", errors.New("the jars of Apache Kafka are missing; fetch them with `make servers`, or name a running Kafka in TEST_KAFKA_BROKERS")
		}
	}
	return "", "", err
}
