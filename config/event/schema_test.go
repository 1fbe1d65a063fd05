package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/event/eventtest"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func standard(t *testing.T, e event.Event) []byte {
	t.Helper()
	payload, err := event.Render(e, event.Standard)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(payload)
}

func decoded(t *testing.T, payload []byte) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(payload, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	payload, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// Every key that a payload has is required: without any one of them, at any
// depth, the schema refuses it.
func TestTheSchemaRequiresEveryKey(t *testing.T) {
	for name, e := range events() {
		value := decoded(t, standard(t, e))
		eachObject(value, name, func(path string, object map[string]any) {
			for key, was := range object {
				delete(object, key)
				if eventtest.Check(encoded(t, value)) == nil {
					t.Errorf("the schema accepts %s without %q", path, key)
				}
				object[key] = was
			}
		})
	}
}

// Consumers are told to ignore keys that they do not know, so that new ones
// may come at any depth.
func TestTheSchemaAllowsNewKeysEverywhere(t *testing.T) {
	for name, e := range events() {
		value := decoded(t, standard(t, e))
		eachObject(value, name, func(_ string, object map[string]any) { object["later"] = true })
		if err := eventtest.Check(encoded(t, value)); err != nil {
			t.Errorf("%s with new keys: %v", name, err)
		}
	}
}

// The schema made strict finds keys that it does not describe.
func TestTheSchemaDescribesEveryKey(t *testing.T) {
	content, err := os.ReadFile(eventtest.SchemaFile())
	if err != nil {
		t.Fatal(err)
	}
	strict, err := eventtest.Compile(bytes.ReplaceAll(content,
		[]byte(`"additionalProperties": true`), []byte(`"additionalProperties": false`)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(payload []byte) error {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		return strict.Validate(value)
	}
	for name, e := range events() {
		payload := standard(t, e)
		if err := check(payload); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		value := decoded(t, payload)
		value["data"].(map[string]any)["later"] = true
		if check(encoded(t, value)) == nil {
			t.Errorf("%s: the strict schema accepts a key that is not described", name)
		}
	}
}

func TestTheSchemaRefusesBrokenValues(t *testing.T) {
	type change func(payload, data map[string]any)
	set := func(object, key string, to any) change {
		return func(_, data map[string]any) { data[object].(map[string]any)[key] = to }
	}
	tests := map[string]struct {
		event  string
		change change
	}{
		"unknown type":               {"spike", func(p, _ map[string]any) { p["type"] = "traffic.surge" }},
		"type of other data":         {"spike", func(p, _ map[string]any) { p["type"] = "goal.completed" }},
		"time with fraction":         {"spike", func(p, _ map[string]any) { p["timestamp"] = "2026-11-23T19:10:05.1Z" }},
		"time with offset":           {"spike", func(p, _ map[string]any) { p["timestamp"] = "2026-11-23T19:10:05+00:00" }},
		"impossible time":            {"spike", func(p, _ map[string]any) { p["timestamp"] = "2026-13-23T19:10:05Z" }},
		"sources null":               {"spike", func(_, d map[string]any) { d["top_sources"] = nil }},
		"four pages":                 {"spike", func(_, d map[string]any) { d["top_pages"] = make4() }},
		"negative visitors":          {"spike", func(_, d map[string]any) { d["current_visitors"] = -1 }},
		"visitors as text":           {"spike", func(_, d map[string]any) { d["current_visitors"] = "132" }},
		"visitors null at a firing":  {"drop", func(_, d map[string]any) { d["visitors"] = nil }},
		"link that is no address":    {"drop", func(_, d map[string]any) { d["dashboard_url"] = "example.com" }},
		"unknown reason":             {"drop-ended", func(_, d map[string]any) { d["reason"] = "bored" }},
		"threshold of zero":          {"spike", set("trigger", "threshold", 0)},
		"threshold of a goal":        {"goal", set("trigger", "threshold", 1)},
		"threshold that no goal has": {"goal-threshold", set("trigger", "threshold", nil)},
		"window that no goal has":    {"goal-threshold", set("trigger", "window_seconds", nil)},
		"negative cooldown":          {"goal-threshold", set("trigger", "cooldown_seconds", -1)},
		"threshold lost at the end":  {"goal-threshold-ended", set("trigger", "threshold", nil)},
		"conversions null at firing": {"goal-threshold", func(_, d map[string]any) { d["conversions"] = nil }},
		"negative conversions":       {"goal-threshold-ended", func(_, d map[string]any) { d["conversions"] = -1 }},
		"peak unknown":               {"goal-threshold-ended", func(_, d map[string]any) { d["peak_conversions"] = nil }},
		"end without a reason":       {"goal-threshold-ended", func(_, d map[string]any) { d["reason"] = nil }},
		"completion as a threshold":  {"goal", func(p, _ map[string]any) { p["type"] = "goal.threshold" }},
		"end as a firing":            {"goal-threshold-ended", func(p, _ map[string]any) { p["type"] = "goal.threshold" }},
		"example of another's data":  {"test", set("example", "type", "goal.threshold")},
		"firing of zero":             {"spike", set("episode", "firing", 0)},
		"unknown kind":               {"goal", set("goal", "kind", "funnel")},
		"period without times":       {"goal", set("period", "from", nil)},
		"site without domain":        {"spike", set("site", "domain", "")},
		"disabled for no reason":     {"disabled", set("disabled", "reason", nil)},
		"disabled by a person":       {"disabled", set("disabled", "reason", "paused")},
		"failing since no time":      {"disabled", set("disabled", "since", "yesterday")},
		"host with a path":           {"disabled", set("disabled", "host", "crm.example.com/hook")},
		"trigger of a disabling":     {"disabled", func(_, d map[string]any) { d["trigger"] = map[string]any{"id": 1} }},
		"trigger of a test":          {"test", func(_, d map[string]any) { d["trigger"] = map[string]any{"id": 1} }},
		"example of no type":         {"test", set("example", "type", nil)},
		"example of a test":          {"test", set("example", "type", "webhook.test")},
		"example of other data":      {"test", set("example", "type", "traffic.drop")},
	}
	for name, test := range tests {
		value := decoded(t, standard(t, events()[test.event]))
		if err := eventtest.Check(encoded(t, value)); err != nil {
			t.Fatalf("%s: not valid before the change: %v", name, err)
		}
		test.change(value, value["data"].(map[string]any))
		if eventtest.Check(encoded(t, value)) == nil {
			t.Errorf("the schema accepts: %s", name)
		}
	}
	for _, broken := range []string{"", "{", "null", "[]", "{}"} {
		if eventtest.Check([]byte(broken)) == nil {
			t.Errorf("the schema accepts %q", broken)
		}
	}
}

func make4() []any {
	one := map[string]any{"name": "/", "visitors": 1}
	return []any{one, one, one, one}
}

func eachObject(value any, path string, visit func(path string, object map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(path, v)
		for key, inner := range v {
			eachObject(inner, path+"."+key, visit)
		}
	case []any:
		for _, inner := range v {
			eachObject(inner, path+"[]", visit)
		}
	}
}
