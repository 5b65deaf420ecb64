package deploy

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// scaledObject and triggerAuthentication have the fields that KEDA documents for what
// the chart uses of it.
type scaledObject struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		ScaleTargetRef  nameReference `json:"scaleTargetRef"`
		MinReplicaCount int32         `json:"minReplicaCount"`
		MaxReplicaCount int32         `json:"maxReplicaCount"`
		Advanced        struct {
			Scaler struct {
				Behavior autoscaling.HorizontalPodAutoscalerBehavior `json:"behavior"`
			} `json:"horizontalPodAutoscalerConfig"`
		} `json:"advanced"`
		Triggers []struct {
			Type     string `json:"type"`
			Metadata struct {
				BootstrapServers  string `json:"bootstrapServers"`
				ConsumerGroup     string `json:"consumerGroup"`
				Topic             string `json:"topic"`
				LagThreshold      string `json:"lagThreshold"`
				OffsetResetPolicy string `json:"offsetResetPolicy"`
				SASL              string `json:"sasl"`
				TLS               string `json:"tls"`
			} `json:"metadata"`
			AuthenticationRef nameReference `json:"authenticationRef"`
		} `json:"triggers"`
	} `json:"spec"`
}

type nameReference struct {
	Name string `json:"name"`
}

type triggerAuthentication struct {
	meta.TypeMeta   `json:",inline"`
	meta.ObjectMeta `json:"metadata"`
	Spec            struct {
		SecretTargetRef []struct {
			Parameter string `json:"parameter"`
			Name      string `json:"name"`
			Key       string `json:"key"`
		} `json:"secretTargetRef"`
	} `json:"spec"`
}

// kinds make an object of the type that is to take it in.
var kinds = map[string]func() meta.Object{
	"apps/v1 Deployment":                      func() meta.Object { return new(apps.Deployment) },
	"v1 Service":                              func() meta.Object { return new(core.Service) },
	"policy/v1 PodDisruptionBudget":           func() meta.Object { return new(policy.PodDisruptionBudget) },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() meta.Object { return new(autoscaling.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1 NetworkPolicy":      func() meta.Object { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() meta.Object { return new(monitoring.ServiceMonitor) },
	"monitoring.coreos.com/v1 PrometheusRule": func() meta.Object { return new(monitoring.PrometheusRule) },
	"keda.sh/v1alpha1 ScaledObject":           func() meta.Object { return new(scaledObject) },
	"keda.sh/v1alpha1 TriggerAuthentication":  func() meta.Object { return new(triggerAuthentication) },
}

// objects are what the chart makes of values, by kind and name.
type objects map[string]meta.Object

// get is the object of the type that has the name.
func get[T meta.Object](t *testing.T, all objects, name string) T {
	t.Helper()
	var found T
	there := false
	for _, object := range all {
		if typed, ok := object.(T); ok && object.GetName() == name {
			found, there = typed, true
		}
	}
	if !there {
		t.Fatalf("no %v %s among %q", reflect.TypeFor[T](), name, slices.Sorted(maps.Keys(all)))
	}
	return found
}

// renderText gives the text of each template.
func renderText(values string) (map[string]string, error) {
	chart, err := loader.LoadDir(chartDirectory)
	if err != nil {
		return nil, err
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{Name: "acme", Namespace: "boards", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// render reads strictly what the chart makes of values.
func render(t *testing.T, values string) objects {
	t.Helper()
	texts, err := renderText(values)
	if err != nil {
		t.Fatal(err)
	}
	all := objects{}
	for path, text := range texts {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		for document := range strings.SplitSeq("\n"+text, "\n---\n") {
			var head meta.TypeMeta
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				t.Fatalf("%s: %v\n%s", path, err, document)
			}
			if head.Kind == "" {
				continue
			}
			kind := head.APIVersion + " " + head.Kind
			newObject, known := kinds[kind]
			if !known {
				t.Fatalf("%s: a %s is not expected", path, kind)
			}
			object := newObject()
			if err := decodeStrictly(document, object); err != nil {
				t.Fatalf("%s: %s: %v\n%s", path, kind, err, document)
			}
			key := kind + " " + object.GetName()
			if all[key] != nil {
				t.Errorf("there are two of %s", key)
			}
			all[key] = object
		}
	}
	return all
}

// decodeStrictly is as strict as a server that is asked to validate: no field is
// unknown, written in other letters, or there twice.
func decodeStrictly(document string, into any) error {
	text, err := yaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		return err
	}
	mistakes, err := json.UnmarshalStrict(text, into)
	return errors.Join(append(mistakes, err)...)
}
