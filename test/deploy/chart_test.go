package deploy

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"leaderboard/test/programs"
)

var chartDirectory = filepath.Join("..", "..", "deploy", "helm", "leaderboard")

// fewest are the values that have to be given.
const fewest = `
kafka: {brokers: ["kafka-0:9092", "kafka-1:9093"]}
redis: {addrs: ["redis:6379"]}
query: {clientsSecret: clients}
`

// most turns on all that there is.
const most = `
image: {repository: registry.example.com/leaderboard, tag: "1.0", pullSecrets: [registry]}
kafka:
  brokers: ["kafka:9093"]
  sasl: {mechanism: scram-sha-512, secret: kafka}
  tls: {enabled: true, secret: kafka-tls, clientCertificate: true}
redis:
  addrs: ["a:26379", "b:26379"]
  sentinelMaster: boards
  username: projector
  db: 2
  secret: redis
  tls: {enabled: true, secret: redis-tls, clientCertificate: true}
projector:
  generation: 3
  autoscaling: {enabled: true}
  env: [{name: REMEMBER_ENTRIES, value: "1000"}]
  nodeSelector: {disk: fast}
  tolerations: [{key: dedicated, operator: Exists}]
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: Exists}]}]}}}
query:
  clientsSecret: clients
  service: {type: LoadBalancer, annotations: {who: world}}
networkPolicy:
  apiFrom: [{namespaceSelector: {}}]
  metricsFrom: [{namespaceSelector: {matchLabels: {name: monitoring}}}]
  kafkaTo: [{ipBlock: {cidr: 10.0.0.0/8}}]
  redisTo: [{ipBlock: {cidr: 10.1.0.0/16}}]
  redisPorts: [6379, 26379]
serviceMonitor: {enabled: true, labels: {release: prometheus}}
prometheusRule:
  enabled: true
  rules: |
    groups:
      - name: leaderboard
        rules:
          - {alert: Lag, expr: "sum(leaderboard_lag_records) > 1000", for: 5m, labels: {severity: page}, annotations: {summary: Behind}}
`

func TestChartHasNoLint(t *testing.T) {
	for _, text := range []string{fewest, most} {
		values, err := chartutil.ReadValues([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range lint.AllWithKubeVersion(chartDirectory, values, "boards", nil).Messages {
			if message.Severity > support.InfoSev {
				t.Error(message)
			}
		}
	}
}

func TestChartMakesWhatItIsAskedFor(t *testing.T) {
	deployments := []string{"apps/v1 Deployment acme-leaderboard-projector", "apps/v1 Deployment acme-leaderboard-query"}
	always := slices.Concat(deployments, []string{
		"networking.k8s.io/v1 NetworkPolicy acme-leaderboard-projector", "networking.k8s.io/v1 NetworkPolicy acme-leaderboard-query",
		"policy/v1 PodDisruptionBudget acme-leaderboard-projector", "policy/v1 PodDisruptionBudget acme-leaderboard-query",
		"v1 Service acme-leaderboard-projector", "v1 Service acme-leaderboard-query", "v1 Service acme-leaderboard-query-admin",
	})
	hpa := "autoscaling/v2 HorizontalPodAutoscaler acme-leaderboard-query"
	for values, want := range map[string][]string{
		fewest: append(slices.Clone(always), hpa),
		most: append(slices.Clone(always), hpa,
			"keda.sh/v1alpha1 ScaledObject acme-leaderboard-projector", "keda.sh/v1alpha1 TriggerAuthentication acme-leaderboard-projector",
			"monitoring.coreos.com/v1 ServiceMonitor acme-leaderboard-projector", "monitoring.coreos.com/v1 ServiceMonitor acme-leaderboard-query",
			"monitoring.coreos.com/v1 PrometheusRule acme-leaderboard"),
		"redis: {addrs: ['r:1']}\nquery: {clientsSecret: c, autoscaling: {enabled: false}}\nprojector: {enabled: false}\nnetworkPolicy: {enabled: false}": {
			deployments[1], "policy/v1 PodDisruptionBudget acme-leaderboard-query", "v1 Service acme-leaderboard-query", "v1 Service acme-leaderboard-query-admin",
		},
		"redis: {addrs: ['r:1']}\nkafka: {brokers: ['k:1']}\nprojector: {autoscaling: {enabled: true}}\nquery: {enabled: false}\nnetworkPolicy: {enabled: false}": {
			deployments[0], "policy/v1 PodDisruptionBudget acme-leaderboard-projector", "v1 Service acme-leaderboard-projector",
			"keda.sh/v1alpha1 ScaledObject acme-leaderboard-projector",
		},
	} {
		if got := slices.Sorted(maps.Keys(render(t, values))); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("of%s\nit makes\n%s", values, strings.Join(got, "\n"))
		}
	}
}

func TestChartRefusesWrongValues(t *testing.T) {
	for values, word := range map[string]string{
		"":                                    "brokers",
		fewest + "colour: red":                "colour",
		fewest + "log: {level: loud}":         "level",
		fewest + "projector: {generation: 0}": "generation",
		fewest + "serviceMonitor: {interval: soon}":                                                                     "interval",
		fewest + "prometheusRule: {enabled: true}":                                                                      "rules",
		"kafka: {brokers: [kafka]}\nredis: {addrs: ['r:1']}\nquery: {clientsSecret: c}":                                 "brokers",
		"kafka: {brokers: ['k:1']}\nredis: {addrs: ['r:1']}":                                                            "clientsSecret",
		"kafka: {brokers: ['k:1']}\nquery: {clientsSecret: c}":                                                          "addrs",
		"kafka: {brokers: ['k:1'], sasl: {mechanism: plain}}\nredis: {addrs: ['r:1']}\nquery: {clientsSecret: c}":       "secret",
		"kafka: {brokers: ['k:1']}\nredis: {addrs: ['r:1'], tls: {clientCertificate: true}}\nquery: {clientsSecret: c}": "tls",
		"kafka: {brokers: ['k:1']}\nredis: {addrs: ['r:1'], password: sesame}\nquery: {clientsSecret: c}":               "password",
	} {
		if _, err := renderText(values); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s\nshould be refused for %s: %v", values, word, err)
		}
	}
}

func TestPodsAreChosenByWhatIsForThem(t *testing.T) {
	all := render(t, most)
	for _, component := range []string{"projector", "query"} {
		name := "acme-leaderboard-" + component
		template := get[*apps.Deployment](t, all, name).Spec.Template
		pod := labels.Set(template.Labels)
		for what, selector := range map[string]*meta.LabelSelector{
			"Deployment":          get[*apps.Deployment](t, all, name).Spec.Selector,
			"PodDisruptionBudget": get[*policy.PodDisruptionBudget](t, all, name).Spec.Selector,
			"NetworkPolicy":       &get[*networking.NetworkPolicy](t, all, name).Spec.PodSelector,
			"spread":              template.Spec.TopologySpreadConstraints[0].LabelSelector,
			"Service":             {MatchLabels: get[*core.Service](t, all, name).Spec.Selector},
		} {
			s, err := meta.LabelSelectorAsSelector(selector)
			if err != nil || !s.Matches(pod) {
				t.Errorf("the %s of the %s chooses %v, %v", what, component, s, err)
			}
			other := map[string]string{"projector": "query", "query": "projector"}[component]
			if s.Matches(labels.Set(get[*apps.Deployment](t, all, "acme-leaderboard-"+other).Spec.Template.Labels)) {
				t.Errorf("the %s of the %s chooses the %s too", what, component, other)
			}
		}
		monitor := get[*monitoring.ServiceMonitor](t, all, name).Spec
		services := 0
		for _, object := range all {
			service, ok := object.(*core.Service)
			if s, err := meta.LabelSelectorAsSelector(&monitor.Selector); !ok || err != nil || !s.Matches(labels.Set(service.Labels)) {
				continue
			}
			services += len(slices.DeleteFunc(slices.Clone(service.Spec.Ports), func(p core.ServicePort) bool { return p.Name != monitor.Endpoints[0].Port }))
		}
		job := monitor.Endpoints[0].RelabelConfigs[0]
		if services != 1 || job.TargetLabel != "job" || *job.Replacement != "leaderboard-"+component {
			t.Errorf("the %s is watched at %d Services, relabelled by %+v", component, services, job)
		}
	}
	for _, object := range all {
		service, ok := object.(*core.Service)
		if !ok {
			continue
		}
		container := get[*apps.Deployment](t, all, strings.TrimSuffix(service.Name, "-admin")).Spec.Template.Spec.Containers[0]
		for _, p := range service.Spec.Ports {
			if !slices.ContainsFunc(container.Ports, func(c core.ContainerPort) bool { return c.Name == p.TargetPort.StrVal }) {
				t.Errorf("Service %s: no port %s in the container", service.Name, p.TargetPort.StrVal)
			}
		}
	}
}

func TestPodsAreConfinedAndEndInTime(t *testing.T) {
	for _, values := range []string{fewest, most} {
		all := render(t, values)
		for _, component := range []string{"projector", "query"} {
			pod := get[*apps.Deployment](t, all, "acme-leaderboard-"+component).Spec.Template.Spec
			container := pod.Containers[0]
			confined := *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65532 && *container.SecurityContext.ReadOnlyRootFilesystem &&
				!*container.SecurityContext.AllowPrivilegeEscalation && reflect.DeepEqual(container.SecurityContext.Capabilities.Drop, []core.Capability{"ALL"}) &&
				!*pod.AutomountServiceAccountToken && pod.SecurityContext.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault
			if !confined {
				t.Errorf("%s may more than it needs", component)
			}
			if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s has no limit of memory, or asks for no CPU: %v", component, container.Resources)
			}
			shutdown, err := time.ParseDuration(variable(container, "SHUTDOWN_TIMEOUT"))
			if err != nil {
				t.Fatal(err)
			}
			if hook := container.Lifecycle; hook != nil {
				shutdown += time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
			}
			if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace <= shutdown {
				t.Errorf("%s is killed after %s and takes %s to end", component, grace, shutdown)
			}
			for name, probe := range map[string]*core.Probe{"liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
				if probe == nil || probe.HTTPGet.Port.StrVal != "admin" || probe.TimeoutSeconds <= 2 { // an answer of /readyz takes up to 2 s
					t.Errorf("%s: the %s probe is %+v", component, name, probe)
				}
			}
			mounted := map[string]bool{}
			for _, mount := range container.VolumeMounts {
				mounted[mount.Name] = true
			}
			for _, volume := range pod.Volumes {
				if !mounted[volume.Name] || volume.Secret == nil {
					t.Errorf("%s: the volume %s is for nothing", component, volume.Name)
				}
			}
			if len(pod.Volumes) != len(mounted) {
				t.Errorf("%s: %d volumes, %d mounts", component, len(pod.Volumes), len(mounted))
			}
		}
	}
}

// variable is the value of a variable of the container, or says which Secret has it.
func variable(c core.Container, name string) string {
	for _, v := range c.Env {
		if v.Name != name {
			continue
		}
		if v.ValueFrom != nil {
			return fmt.Sprintf("key %s of %s", v.ValueFrom.SecretKeyRef.Key, v.ValueFrom.SecretKeyRef.Name)
		}
		return v.Value
	}
	return ""
}

func TestPodsGetTheirSettings(t *testing.T) {
	few, all := render(t, fewest), render(t, most)
	for _, component := range []string{"projector", "query"} {
		help, err := exec.Command(programs.Path(t, component), "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		container := get[*apps.Deployment](t, all, "acme-leaderboard-"+component).Spec.Template.Spec.Containers[0]
		if container.Command[0] != "/bin/"+component || container.Image != "registry.example.com/leaderboard:1.0" {
			t.Errorf("%s runs %v of %s", component, container.Command, container.Image)
		}
		given := map[string]bool{}
		for _, v := range container.Env {
			if !strings.Contains(string(help), "$"+v.Name) && !strings.HasPrefix(v.Name, "GO") || given[v.Name] {
				t.Errorf("%s has no setting %s, or it is there twice", component, v.Name)
			}
			given[v.Name] = true
			if secret := strings.Contains(v.Name, "PASSWORD") || v.Name == "KAFKA_SASL_USER"; secret != (v.ValueFrom != nil) {
				t.Errorf("%s: %s comes from %q", component, v.Name, variable(container, v.Name))
			}
		}
		if image := get[*apps.Deployment](t, few, "acme-leaderboard-"+component).Spec.Template.Spec.Containers[0].Image; image != "leaderboard:0.1.0" {
			t.Errorf("without a tag the image is %s", image)
		}
	}
	projector := get[*apps.Deployment](t, all, "acme-leaderboard-projector").Spec.Template.Spec.Containers[0]
	for name, want := range map[string]string{
		"KAFKA_BROKERS": "kafka:9093", "KAFKA_GROUP": "leaderboard", "KAFKA_SASL_MECHANISM": "scram-sha-512",
		"KAFKA_SASL_PASSWORD": "key password of kafka", "KAFKA_TLS_CERT": "/etc/leaderboard/kafka-tls/tls.crt",
		"REDIS_ADDRS": "a:26379,b:26379", "REDIS_SENTINEL_MASTER": "boards", "REDIS_PASSWORD": "key password of redis",
		"REDIS_TLS_CA": "/etc/leaderboard/redis-tls/ca.crt", "GENERATION": "3", "SHARDS": "16", "REMEMBER_ENTRIES": "1000",
	} {
		if got := variable(projector, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	projector = get[*apps.Deployment](t, few, "acme-leaderboard-projector").Spec.Template.Spec.Containers[0]
	if got := variable(projector, "KAFKA_BROKERS"); got != "kafka-0:9092,kafka-1:9093" {
		t.Errorf("the brokers are %s", got)
	}
}

func TestAutoscalersAndReplicasDoNotQuarrel(t *testing.T) {
	few, all := render(t, fewest), render(t, most)
	if n := get[*apps.Deployment](t, few, "acme-leaderboard-projector").Spec.Replicas; n == nil || *n != 2 {
		t.Errorf("without an autoscaler there are %v projectors", n)
	}
	for _, name := range []string{"acme-leaderboard-projector", "acme-leaderboard-query"} {
		if n := get[*apps.Deployment](t, all, name).Spec.Replicas; n != nil {
			t.Errorf("%s is set to %d beside an autoscaler", name, *n)
		}
	}
	scaled := get[*scaledObject](t, all, "acme-leaderboard-projector").Spec
	if scaled.ScaleTargetRef.Name != "acme-leaderboard-projector" || scaled.MinReplicaCount != 1 || scaled.MaxReplicaCount != 4 ||
		*scaled.Advanced.Scaler.Behavior.ScaleDown.StabilizationWindowSeconds != 600 {
		t.Errorf("the projectors are scaled by %+v", scaled)
	}
	trigger := scaled.Triggers[0]
	m := trigger.Metadata
	if trigger.Type != "kafka" || m.BootstrapServers != "kafka:9093" || m.ConsumerGroup != "leaderboard-3" || m.Topic != "leaderboard.activities" ||
		m.LagThreshold != "100000" || m.SASL != "scram_sha512" || m.TLS != "enable" || trigger.AuthenticationRef.Name != "acme-leaderboard-projector" {
		t.Errorf("the trigger is %+v", trigger)
	}
	var parameters []string
	for _, ref := range get[*triggerAuthentication](t, all, "acme-leaderboard-projector").Spec.SecretTargetRef {
		parameters = append(parameters, ref.Parameter+" "+ref.Name+" "+ref.Key)
	}
	want := []string{"username kafka user", "password kafka password", "ca kafka-tls ca.crt", "cert kafka-tls tls.crt", "key kafka-tls tls.key"}
	if !slices.Equal(parameters, want) {
		t.Errorf("KEDA signs in with %q", parameters)
	}
	hpa := get[*autoscaling.HorizontalPodAutoscaler](t, all, "acme-leaderboard-query").Spec
	if hpa.ScaleTargetRef.Name != "acme-leaderboard-query" || *hpa.MinReplicas != 2 || *hpa.Metrics[0].Resource.Target.AverageUtilization != 70 {
		t.Errorf("the query services are scaled by %+v", hpa)
	}
}

// TestPodsReachOnlyTheirServers lists the ports of the policies.
func TestPodsReachOnlyTheirServers(t *testing.T) {
	ports := func(list []networking.NetworkPolicyPort) (text []string) {
		for _, p := range list {
			text = append(text, p.Port.String())
		}
		return text
	}
	for _, c := range []struct {
		values, component string
		in, out           []string
	}{
		{fewest, "projector", []string{"admin"}, []string{"53", "53", "6379", "9092", "9093"}},
		{fewest, "query", []string{"admin", "http"}, []string{"53", "53", "6379"}},
		{most, "projector", []string{"admin"}, []string{"53", "53", "6379", "26379", "9093"}},
		{most, "query", []string{"admin", "http"}, []string{"53", "53", "6379", "26379"}},
	} {
		spec := get[*networking.NetworkPolicy](t, render(t, c.values), "acme-leaderboard-"+c.component).Spec
		var in, out []string
		for i, rule := range spec.Ingress {
			in = append(in, ports(rule.Ports)...)
			if (len(rule.From) == 1) != (c.values == most) {
				t.Errorf("%s: ingress rule %d is for %v", c.component, i, rule.From)
			}
		}
		for i, rule := range spec.Egress {
			out = append(out, ports(rule.Ports)...)
			if restricted := c.values == most && i > 0; (len(rule.To) == 1) != restricted {
				t.Errorf("%s: egress rule %d is for %v", c.component, i, rule.To)
			}
		}
		if !slices.Equal(in, c.in) || !slices.Equal(out, c.out) || len(spec.PolicyTypes) != 2 {
			t.Errorf("%s: in at %q, out to %q", c.component, in, out)
		}
	}
}

func TestNotesSayHowToReachIt(t *testing.T) {
	texts, err := renderText(most)
	if err != nil {
		t.Fatal(err)
	}
	notes := texts["leaderboard/templates/NOTES.txt"]
	for _, part := range []string{"namespace boards", "deployment/acme-leaderboard-projector", "as group leaderboard-3", "service/acme-leaderboard-query 8080:80 "} {
		if !strings.Contains(notes, part) {
			t.Errorf("%q is not in\n%s", part, notes)
		}
	}
}
