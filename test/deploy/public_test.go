package deploy

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"leaderboard/test/servers"
)

// publicImages make stand-ins for the public images that the composition and the
// Dockerfile name.
var publicImages = map[string]func(*testing.T) standIn{
	"golang": golang, "apache/kafka": kafka, "redis": redis, "prom/prometheus": prometheus, "grafana/grafana": grafana,
}

// golang has the modules of the programs with it, since it reaches no proxy.
func golang(t *testing.T) standIn {
	t.Helper()
	modules, host := t.TempDir(), goEnv(t, "GOMODCACHE")
	download := exec.CommandContext(t.Context(), "go", "mod", "download")
	download.Dir = root(t)
	download.Env = append(os.Environ(), "GOMODCACHE="+modules, "GOFLAGS=-modcacherw", "GOPROXY=file://"+host+"/cache/download,"+goEnv(t, "GOPROXY"))
	if out, code := run(t, download); code != 0 {
		t.Fatalf("go mod download: %s", out)
	}
	goroot := goEnv(t, "GOROOT")
	files := map[string]string{"/go/pkg/mod/cache/download": filepath.Join(modules, "cache", "download")}
	for _, part := range []string{"VERSION", "bin", "go.env", "pkg", "src"} {
		files["/usr/local/go/"+part] = filepath.Join(goroot, part)
	}
	maps.Copy(files, busybox("sh"))
	return standIn{files: files, changes: []string{
		"ENV PATH=/usr/local/go/bin:/bin", "ENV GOPATH=/go", "ENV GOPROXY=off", "ENV GOTOOLCHAIN=local", "ENV GOFLAGS=-buildvcs=false",
	}}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, code := run(t, exec.CommandContext(t.Context(), "go", "env", name))
	if code != 0 {
		t.Fatal(out)
	}
	return out
}

// kafkaRun does what the public image does at its start: the program of Kafka's own
// makes the settings of the variables and formats the storage.
const kafkaRun = `#!/bin/sh
set -eu
export CLUSTER_ID=5L6g3nShT-eMCtK--X86sw
small="-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
java $small -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup \
	--default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config
exec java $small ${KAFKA_HEAP_OPTS:-} -cp '/opt/kafka/libs/*' kafka.Kafka /opt/kafka/config/server.properties
`

// netcat takes the one option that the composition gives, which Debian's busybox lacks.
const netcat = `#!/bin/sh
[ "$1" = -z ] && exec busybox nc -w 2 "$2" "$3" </dev/null >/dev/null
`

func kafka(t *testing.T) standIn {
	t.Helper()
	jars, _, err := servers.KafkaJars()
	if err != nil {
		t.Fatal(err)
	}
	java, err := exec.LookPath("java")
	if err == nil {
		java, err = filepath.EvalSymlinks(java)
	}
	if err != nil {
		t.Fatal(err)
	}
	files := busybox("sh", "busybox")
	files["/opt/kafka/libs"] = jars
	for _, part := range []string{"bin", "conf", "lib"} {
		files["/opt/java/"+part] = filepath.Join(java, "..", "..", part)
	}
	const logging = "Configuration: {Loggers: {Root: {level: warn}}}\n"
	return standIn{
		files: files,
		texts: map[string]string{
			"/etc/passwd": "appuser:x:1000:1000::/:/bin/sh\n", "/etc/kafka/docker/run": kafkaRun, "/etc/kafka/docker/server.properties": "",
			"/bin/nc":                       netcat,
			"/etc/kafka/docker/log4j2.yaml": logging, "/etc/kafka/docker/tools-log4j2.yaml": logging,
		},
		directories: map[string]int{"/opt/kafka/config": 1000, "/var/lib/kafka/data": 1000, "/mnt/shared/config": 1000},
		changes: []string{
			"ENV PATH=/opt/java/bin:/bin", "USER appuser", `VOLUME ["/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"]`,
			`CMD ["/etc/kafka/docker/run"]`,
		},
	}
}

func redis(t *testing.T) standIn {
	t.Helper()
	files := busybox("sh", "grep")
	files["/bin/redis-server"], files["/bin/redis-cli"] = program(t, "redis-server"), program(t, "redis-cli")
	return standIn{
		files: files, texts: map[string]string{"/etc/passwd": "redis:x:999:1000::/data:/bin/sh\n"}, directories: map[string]int{"/data": 999},
		changes: []string{"ENV PATH=/bin", "VOLUME /data", "WORKDIR /data", `CMD ["redis-server"]`},
	}
}

func prometheus(t *testing.T) standIn {
	t.Helper()
	files := busybox("wget")
	files["/bin/prometheus"] = program(t, "prometheus")
	return standIn{
		files: files, texts: map[string]string{"/etc/passwd": "nobody:x:65534:65534::/:/bin/false\n"}, directories: map[string]int{"/prometheus": 65534},
		changes: []string{"ENV PATH=/bin", "USER nobody", "VOLUME /prometheus", "WORKDIR /prometheus", `ENTRYPOINT ["/bin/prometheus"]`},
	}
}

// grafana is no Grafana: this machine has none. It is healthy and does nothing else.
func grafana(*testing.T) standIn {
	return standIn{
		files: busybox("wget", "httpd"), texts: map[string]string{"/www/api/health": "ok\n"}, directories: map[string]int{"/var/lib/grafana": 472},
		changes: []string{"ENV PATH=/bin", "USER 472", `ENTRYPOINT ["httpd", "-f", "-p", "3000", "-h", "/www"]`},
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; install it with `make servers`", err)
	}
	return path
}

// providePublic makes the stand-in of a public image where it cannot be had.
func providePublic(t *testing.T, image string) {
	t.Helper()
	name, _, _ := strings.Cut(image, ":")
	makeStandIn, known := publicImages[name]
	if !known {
		t.Fatalf("there is no stand-in for %s", image)
	}
	provide(t, image, makeStandIn)
}
