package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/sender"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// exposed is a metric as it can be asked for.
type exposed struct {
	kind   string
	labels map[string][]string // By name, their values sorted; none of the format's own.
}

// String is the metric in one line.
func (e exposed) String() string {
	text := e.kind
	for _, name := range slices.Sorted(maps.Keys(e.labels)) {
		text += fmt.Sprintf(" %s=%s", name, strings.Join(e.labels[name], "|"))
	}
	return text
}

// ours are the metrics of this program, and the few of every program in Go that
// dashboard and rules use.
func ours(name string) bool {
	return strings.HasPrefix(name, namespace) || slices.Contains([]string{
		"go_goroutines", "process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds",
	}, name)
}

func describe(families []*dto.MetricFamily) map[string]exposed {
	found := map[string]exposed{}
	for _, family := range families {
		if !ours(family.GetName()) {
			continue
		}
		e := exposed{strings.ToLower(family.GetType().String()), map[string][]string{}}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				value := label.GetValue()
				if label.GetName() == "version" {
					value = "*" // Whatever was built.
				}
				if !slices.Contains(e.labels[label.GetName()], value) {
					e.labels[label.GetName()] = append(e.labels[label.GetName()], value)
				}
			}
		}
		for _, values := range e.labels {
			slices.Sort(values)
		}
		found[family.GetName()] = e
	}
	return found
}

func freshRegistry(i *instruments) *prometheus.Registry {
	sending := sender.New(sender.Options{})
	h := newHealth(cdc.New(cdc.Options{}), evaluator.New(evaluator.Options{}), sending)
	return newRegistry(h, sending, i, func(context.Context) (sender.Depth, error) { return sender.Depth{}, nil })
}

func gather(t *testing.T, registry prometheus.Gatherer) []*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// metricsList is what rules and dashboards may use (deploy/prometheus checks
// them against it).
const metricsList = "../../deploy/prometheus/metrics.txt"

func TestListOfMetrics(t *testing.T) {
	found := describe(gather(t, freshRegistry(newInstruments())))
	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&got, "%s %s\n", name, found[name])
	}
	if update {
		if err := os.WriteFile(metricsList, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(metricsList)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("deploy/prometheus/metrics.txt is not what is exposed (UPDATE_GOLDEN=1 writes it):\n%s", diff)
	}
}

// Each metric of ours stands in the reference with its kind and its labels, and
// none there that is not exposed.
func TestReferenceListsTheMetrics(t *testing.T) {
	reference, err := os.ReadFile("../../deploy/REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`(" + namespace + "_[a-z_]+)`")
	listed := map[string]string{} // The whole row.
	for line := range strings.Lines(string(reference)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for _, match := range name.FindAllStringSubmatch(cells[1], -1) {
			listed[match[1]] = line
		}
	}
	have := describe(gather(t, freshRegistry(newInstruments())))
	for name, e := range have {
		row, ok := listed[name]
		switch {
		case !strings.HasPrefix(name, namespace):
		case !ok:
			t.Errorf("deploy/REFERENCE.md does not list %s", name)
		case !strings.Contains(row, "| "+e.kind+" |"):
			t.Errorf("deploy/REFERENCE.md does not say that %s is a %s", name, e.kind)
		default:
			for label, values := range e.labels {
				for _, word := range append([]string{label}, values...) {
					if word != "*" && !strings.Contains(row, "`"+word+"`") {
						t.Errorf("deploy/REFERENCE.md does not tell of %s %s of %s", label, word, name)
					}
				}
			}
		}
	}
	for _, match := range name.FindAllStringSubmatch(string(reference), -1) {
		if _, ok := have[match[1]]; !ok {
			t.Errorf("deploy/REFERENCE.md names %s, which does not exist", match[1])
		}
	}
}

// Names and texts follow the conventions of Prometheus, and no label can grow
// with the number of sites, webhooks or hosts.
func TestMetricsFollowConventions(t *testing.T) {
	i := newInstruments()
	// What is told of things that do not exist makes no series.
	i.attempted(sender.Attempted{Kind: "hooks.example.com", Took: time.Second})
	i.served(server.Served{Route: "/example.com", Status: 200})
	i.served(server.Served{Route: server.RoutePage, Status: 999})
	fresh := describe(gather(t, freshRegistry(newInstruments())))
	if diff := cmp.Diff(lines(fresh), lines(describe(gather(t, freshRegistry(i))))); diff != "" {
		t.Errorf("labels have grown:\n%s", diff)
	}
	bounded := []string{"code", "outcome", "reason", "route", "state", "type", "version"}
	for _, family := range gather(t, freshRegistry(i)) {
		name, counts := family.GetName(), family.GetType() == dto.MetricType_COUNTER
		if !strings.HasPrefix(name, namespace) {
			continue
		}
		if counts != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: only counters end with _total, and all of them", name, family.GetType())
		}
		if family.GetType() == dto.MetricType_HISTOGRAM && !strings.HasSuffix(name, "_seconds") {
			t.Errorf("%s has no unit", name)
		}
		for _, bad := range []string{"_ms", "_millis", "_minutes", "_count_total", "_sum"} {
			if strings.Contains(name, bad) {
				t.Errorf("%s is not named by convention: %s", name, bad)
			}
		}
		if help := family.GetHelp(); len(help) < 10 || !strings.HasSuffix(help, ".") {
			t.Errorf("%s: the help %q is no sentence", name, help)
		}
		for label, values := range fresh[name].labels {
			if !slices.Contains(bounded, label) || len(values) > 20 {
				t.Errorf("%s has the label %s with %d values", name, label, len(values))
			}
		}
	}
}

func lines(found map[string]exposed) map[string]string {
	text := map[string]string{}
	for name, e := range found {
		text[name] = e.String()
	}
	return text
}

// parseMetrics reads what /metrics answers.
func parseMetrics(t *testing.T, text string) map[string]exposed {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return describe(slices.Collect(maps.Values(families)))
}

// The histograms hold what they are told, and interrupted attempts are none.
func TestInstrumentsCount(t *testing.T) {
	i := newInstruments()
	i.ticked(20 * time.Millisecond)
	i.attempted(sender.Attempted{Kind: sender.KindDelivered, Took: time.Second, Age: 2 * time.Second})
	i.attempted(sender.Attempted{Kind: sender.KindTimeout, Took: 5 * time.Second})
	i.attempted(sender.Attempted{Kind: sender.KindInterrupted, Took: time.Second})
	i.served(server.Served{Route: server.RoutePage, Status: 499, Own: time.Millisecond})
	i.served(server.Served{Route: server.RoutePage, Status: 200, Own: time.Millisecond, Plausible: time.Second})
	i.served(server.Served{Route: server.RoutePassthrough, Status: 502})
	counts := map[string]uint64{}
	for _, family := range gather(t, freshRegistry(i)) {
		for _, metric := range family.GetMetric() {
			key := strings.TrimPrefix(family.GetName(), namespace+"_")
			for _, label := range metric.GetLabel() {
				key += " " + label.GetValue()
			}
			counts[key] = metric.GetHistogram().GetSampleCount() + uint64(metric.GetCounter().GetValue())
		}
	}
	for key, want := range map[string]uint64{
		"evaluation_tick_duration_seconds": 1, "attempt_duration_seconds": 2, "delivery_latency_seconds": 1,
		"page_own_duration_seconds": 2, "page_permission_duration_seconds": 1,
		"attempts_total delivered": 1, "attempts_total timeout": 1, "attempts_total interrupted": 1, "attempts_total dns": 0,
		"page_requests_total 4xx page": 1, "page_requests_total 2xx page": 1, "page_requests_total 5xx passthrough": 1,
	} {
		if got, ok := counts[key]; !ok || got != want {
			t.Errorf("%s is %d (there: %v), want %d", key, got, ok, want)
		}
	}
}

// Whoever asks often costs no more, and a database that is away costs only
// these metrics.
func TestQueueIsAskedSeldom(t *testing.T) {
	asked := 0
	var fails error
	q := &queueMetrics{read: func(context.Context) (sender.Depth, error) {
		asked++
		return sender.Depth{Due: asked}, fails
	}}
	collect := func() int {
		metrics := make(chan prometheus.Metric, 10)
		q.Collect(metrics)
		return len(metrics)
	}
	for range 3 {
		if n := collect(); n != 6 {
			t.Errorf("%d metrics of the queue, want 6", n)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times at once, want 1", asked)
	}
	q.asked = q.asked.Add(-depthEvery)
	fails = context.DeadlineExceeded
	if n := collect(); n != 0 || asked != 2 {
		t.Errorf("%d metrics after %d questions without an answer; want none after 2", n, asked)
	}
}
