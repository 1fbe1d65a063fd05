package main

import (
	"testing"
	"time"
)

func TestParseIdle(t *testing.T) {
	o, err := parseIdle(nil)
	if want := (idleOptions{minutes: 2, starts: startTimes, webhooks: startWebhooks, sites: startSites}); err != nil || o != want {
		t.Errorf("got %+v, %v, want %+v", o, err, want)
	}
	o, err = parseIdle([]string{"-minutes", "0.5", "-starts", "0", "-webhooks", "10", "-sites", "5"})
	if want := (idleOptions{minutes: 0.5, webhooks: 10, sites: 5}); err != nil || o != want {
		t.Errorf("got %+v, %v, want %+v", o, err, want)
	}
	for _, args := range [][]string{
		{"2"}, {"-minutes", "-1"}, {"-minutes", "long"}, {"-starts", "-1"}, {"-webhooks", "0"}, {"-sites", "0"}, {"-webhooks", "10", "-sites", "4"}, {"-webhooks", "10", "-sites", "20"}, {"-minutes", "0", "-starts", "0"},
	} {
		if _, err := parseIdle(args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

// missed are the figures of which a promise was broken.
func missed(list []promise) (what []string) {
	for _, p := range list {
		if p.broken {
			what = append(what, p.what)
		}
	}
	return what
}

func TestQuietPromises(t *testing.T) {
	for _, test := range []struct {
		name   string
		share  float64
		memory memoryUse
		want   int
	}{
		{"kept", 0.0099, memoryUse{Now: 1, Peak: quietMemory - 1}, 0},
		{"too busy", quietCPU, memoryUse{Now: 1, Peak: 1}, 1},
		{"too large once", 0, memoryUse{Now: 1, Peak: quietMemory}, 1},
		{"both", 1, memoryUse{Now: quietMemory, Peak: quietMemory}, 2},
	} {
		q := quiet{beside: &beside{sidecar: test.share, memory: test.memory}}
		if got := missed(q.promises()); len(got) != test.want {
			t.Errorf("%s: %q are missed, want %d", test.name, got, test.want)
		}
	}
}

func TestStartPromises(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name       string
		took       []time.Duration
		want       int
		p50, worst string
	}{
		{"kept", []time.Duration{300 * ms, 999 * ms, 100 * ms}, 0, "300 ms", "999 ms"},
		{"one of them is late", []time.Duration{100 * ms, 1000 * ms, 200 * ms}, 1, "200 ms", "1.00 s"},
		{"a single one", []time.Duration{2 * time.Second}, 1, "2.00 s", "2.00 s"},
	} {
		s := starts{took: test.took, own: test.took, postgres: test.took}
		list := s.promises()
		if got := missed(list); len(got) != test.want {
			t.Errorf("%s: %q are missed, want %d", test.name, got, test.want)
		}
		if list[0].value != test.p50 || list[1].value != test.worst {
			t.Errorf("%s: got %s and %s, want %s and %s", test.name, list[0].value, list[1].value, test.p50, test.worst)
		}
	}
}
