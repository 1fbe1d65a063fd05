package event_test

import (
	"strings"
	"testing"

	"plausible-webhooks/config/event"

	"github.com/google/go-cmp/cmp"
)

func TestParseTypeKnowsEveryTypeAndListsThemInItsError(t *testing.T) {
	for _, want := range event.Types() {
		if got, err := event.ParseType(string(want)); err != nil || got != want {
			t.Errorf("ParseType(%q) = %q, %v; want itself", want, got, err)
		}
	}
	for _, bad := range []string{"", "spike", "Traffic.Spike", "traffic.spike ", "goal.completed.ended", "goal.threshold.reached"} {
		_, err := event.ParseType(bad)
		if err == nil {
			t.Errorf("ParseType(%q) accepted it", bad)
			continue
		}
		for _, allowed := range event.Types() {
			if !strings.Contains(err.Error(), string(allowed)) {
				t.Errorf("ParseType(%q): %v; want %q listed", bad, err, allowed)
			}
		}
	}
}

func TestTypesStandInTheOrderOfTheReference(t *testing.T) {
	want := []event.Type{"traffic.spike", "traffic.spike.ended", "traffic.drop", "traffic.drop.ended", "goal.completed",
		"goal.threshold", "goal.threshold.ended", "webhook.disabled", "webhook.test"}
	if diff := cmp.Diff(want, event.Types()); diff != "" {
		t.Errorf("Types() (-want +got):\n%s", diff)
	}
}

func TestEndedTypes(t *testing.T) {
	want := map[event.Type]event.Type{
		event.TrafficSpike: event.TrafficSpikeEnded,
		event.TrafficDrop:  event.TrafficDropEnded,

		event.GoalThreshold: event.GoalThresholdEnded,
	}
	got := map[event.Type]event.Type{}
	for _, typ := range event.Types() {
		if ended, ok := typ.Ended(); ok {
			got[typ] = ended
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ended types (-want +got):\n%s", diff)
	}
}

func TestFiringTypesAreThoseOfATrigger(t *testing.T) {
	var got []event.Type
	for _, typ := range event.Types() {
		if typ.Firing() {
			got = append(got, typ)
		}
	}
	want := []event.Type{event.TrafficSpike, event.TrafficDrop, event.GoalCompleted, event.GoalThreshold}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("firing types (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, event.Firing()); diff != "" {
		t.Errorf("Firing() (-want +got):\n%s", diff)
	}
}

func TestWhatATriggerOfATypeMaySay(t *testing.T) {
	want := map[event.Type][2]bool{ // About a goal; needs a threshold.
		event.TrafficSpike: {false, false}, event.TrafficDrop: {false, false},
		event.GoalCompleted: {true, false}, event.GoalThreshold: {true, true},
	}
	got := map[event.Type][2]bool{}
	for _, typ := range event.Firing() {
		got[typ] = [2]bool{typ.AboutGoal(), typ.NeedsThreshold()}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("about a goal, needs a threshold (-want +got):\n%s", diff)
	}
}

func TestParseFormatKnowsEveryFormatAndListsThemInItsError(t *testing.T) {
	for _, want := range event.Formats() {
		if got, err := event.ParseFormat(string(want)); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v; want itself", want, got, err)
		}
	}
	_, err := event.ParseFormat("mattermost")
	if err == nil {
		t.Fatal("ParseFormat accepted an unknown format")
	}
	for _, allowed := range event.Formats() {
		if !strings.Contains(err.Error(), string(allowed)) {
			t.Errorf("error %q does not list %q", err, allowed)
		}
	}
}

func TestOnlyTheStandardFormatIsSignedAndOnlyNtfyIsText(t *testing.T) {
	for _, f := range event.Formats() {
		if got, want := f.Signed(), f == event.Standard; got != want {
			t.Errorf("%s: signed %v, want %v", f, got, want)
		}
		want := "application/json"
		if f == event.Ntfy {
			want = "text/plain; charset=utf-8"
		}
		if got := f.ContentType(); got != want {
			t.Errorf("%s: content type %q, want %q", f, got, want)
		}
	}
}
