package main

import (
	"strings"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

func TestTriggersAreRead(t *testing.T) {
	cooldown := func(n int) *int { return &n }
	tests := []struct {
		text string
		want store.TriggerSpec
	}{
		{"traffic.spike", store.TriggerSpec{Type: event.TrafficSpike}},
		{"traffic.drop,threshold=5,window=43200,cooldown=0,recovery,once",
			store.TriggerSpec{Type: event.TrafficDrop, Threshold: 5, WindowSeconds: 43200, CooldownSeconds: cooldown(0), Recovery: true, Once: true}},
		{"traffic.spike,window=5m,cooldown=12h", store.TriggerSpec{Type: event.TrafficSpike, WindowSeconds: 300, CooldownSeconds: cooldown(43200)}},
		{"goal.completed,goal=Visit /blog*", store.TriggerSpec{Type: event.GoalCompleted, Goal: "Visit /blog*"}},
		{`goal.completed,goal="Paid, ""yearly""",cooldown=60`, store.TriggerSpec{Type: event.GoalCompleted, Goal: `Paid, "yearly"`, CooldownSeconds: cooldown(60)}},
		{`goal.completed,goal=5" screen`, store.TriggerSpec{Type: event.GoalCompleted, Goal: `5" screen`}},
		{"goal.completed,goal=a=b", store.TriggerSpec{Type: event.GoalCompleted, Goal: "a=b"}},
		{"goal.threshold,goal=Signup,threshold=100,window=1h,recovery",
			store.TriggerSpec{Type: event.GoalThreshold, Goal: "Signup", Threshold: 100, WindowSeconds: 3600, Recovery: true}},
		{"goal.threshold,goal=Signup", store.TriggerSpec{Type: event.GoalThreshold, Goal: "Signup"}}, // Enough to remove it.
		{" traffic.spike , recovery ", store.TriggerSpec{Type: event.TrafficSpike, Recovery: true}},
	}
	for _, test := range tests {
		var got triggerFlag
		if err := got.UnmarshalText([]byte(test.text)); err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(test.want, store.TriggerSpec(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestTheHelpOfATriggerNamesEveryType(t *testing.T) {
	for _, typ := range event.Firing() {
		if !strings.Contains(triggerHelp, string(typ)) {
			t.Errorf("the help does not name %s", typ)
		}
	}
}

func TestTriggersAreRefused(t *testing.T) {
	tests := []struct{ text, part string }{
		{"", "begins with its type"},
		{"traffic.spike.ended", "begins with its type"},
		{"goal.threshold.ended", "none of traffic.spike, traffic.drop, goal.completed, goal.threshold"},
		{"goal.threshold,threshold=0", "at least 1"},
		{"goal.threshold,threshold=1.5", "at least 1"},
		{"traffic.spike,treshold=5", `"treshold" is not known`},
		{"traffic.spike,threshold", "threshold needs a value"},
		{"traffic.spike,threshold=0", "at least 1"},
		{"traffic.spike,threshold=many", "at least 1"},
		{"traffic.spike,window=0", "window"},
		{"traffic.spike,window=1.5s", "window"},
		{"traffic.spike,cooldown=-1", "cooldown"},
		{"traffic.spike,recovery=yes", "takes no value"},
		{"traffic.spike,once,once", "twice"},
		{"traffic.spike,", `"" is not known`},
		{"goal.completed,goal=Paid, yearly", "quote"},
		{`goal.completed,goal="Paid`, "never closed"},
	}
	for _, test := range tests {
		var got triggerFlag
		if err := got.UnmarshalText([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.part) {
			t.Errorf("%q: %v; want an error with %q", test.text, err, test.part)
		}
	}
}
