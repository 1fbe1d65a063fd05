package settings_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/store"

	"golang.org/x/net/html"
)

func TestTriggersAreAddedChangedAndRemoved(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{})
	at := itoa(w.ID) + "/triggers/"
	b.get(at+"new").wantText("Traffic spike", "Traffic drop", "Goal completed", "Goal completed often", "Next")
	b.get(at+"new?type=goal.threshold").wantText("Completions, this many or more", "Any goal", "At most once in 12 hours (usual)")
	b.post(at+"new", "type", "goal.threshold", "goal", "10", "threshold", "5", "window", "900", "once", "1").wantGoTo("/" + itoa(w.ID) + "?done=trigger-added")
	b.post(at+"new", "type", "goal.threshold", "goal", "10", "threshold", "9").wantText("The webhook has this trigger already")
	b.post(at+"new", "type", "goal.threshold", "goal", "11").wantWrong("threshold", "Enter how many completions make it fire.")
	b.post(at+"new", "type", "goal.completed", "goal", "20").wantWrong("goal", "no such goal")
	b.post(at+"new", "type", "traffic.drop").wantWrong("threshold", "switch the traffic drop notification on in Plausible first")
	b.post(at+"new", "type", "traffic.surge").wantText("What should make it fire?")
	w = b.stored(w.ID)
	if len(w.Triggers) != 1 || w.Triggers[0].Threshold != 5 || w.Triggers[0].WindowSeconds != 900 || w.Triggers[0].Repeat || w.Triggers[0].GoalID != 10 {
		t.Fatalf("triggers %+v", w.Triggers)
	}
	id := itoa(w.Triggers[0].ID)
	form := b.get(at + id)
	if attr(form.named("threshold"), "value") != "5" || !has(form.named("once"), "checked") || !has(form.named("enabled"), "checked") || has(form.named("recovery"), "checked") {
		t.Error("the form does not show what is stored")
	}
	b.post(at+id, "threshold", "7", "window", "", "cooldown", "0", "recovery", "1", "goal", "11").wantGoTo("/" + itoa(w.ID) + "?done=trigger-saved")
	got := b.stored(w.ID).Triggers[0]
	if got.ID != w.Triggers[0].ID || got.Threshold != 7 || got.WindowSeconds != 0 || *got.CooldownSeconds != 0 || !got.Repeat || !got.NotifyRecovery || got.Enabled || got.GoalID != 10 {
		t.Errorf("changed trigger %+v; want the same one of the same goal, off", got)
	}
	b.get(itoa(w.ID)).wantText("Does not fire: switched off")
	p := b.post(at+id, "threshold", "-3", "window", "7")
	p.wantWrong("threshold", "1 or more")
	p.wantWrong("window", "Choose one of the list.")
	b.get(at + id + "/remove").wantStatus(405)
	b.post(at + id + "/remove").wantGoTo("/" + itoa(w.ID) + "?done=trigger-removed")
	if len(b.stored(w.ID).Triggers) != 0 {
		t.Error("it is still there")
	}
}

func TestABrokenTriggerCanOnlyBeRemoved(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{})
	b.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type, goal_id) values ($1, 'goal.completed', 20)", w.ID)
	at := itoa(w.ID) + "/triggers/" + itoa(b.stored(w.ID).Triggers[0].ID)
	p := b.get(at)
	p.wantText("The goal of this trigger is gone or belongs to another site")
	p.wantNothingOf("Order", "Save trigger")
	b.post(at + "/remove").wantGoTo("/" + itoa(w.ID) + "?done=trigger-removed")
}

// chartPage asks for the chart of a new trigger.
func (b *bed) chartPage(query string) page {
	b.t.Helper()
	w := b.add("example.com/shop", store.NewWebhook{})
	return b.get(itoa(w.ID) + "/triggers/new?show=1&" + query)
}

func TestThresholdIsChosenByLooking(t *testing.T) {
	b := newBed(t)
	b.rooms.outlook = outlook(130)
	p := b.chartPage("type=traffic.spike&threshold=100&recovery=1")
	p.wantText("It would have fired 3 times in the last 30 days:", "23 Nov, 18:20 130 visitors", "With 50 it would have fired 11 times.", "With 200 it would never have fired.",
		"The most in the last 30 days: 130 visitors", "Day Most Would have fired", "Mon 23 Nov 130 once")
	svg := p.all(func(n *html.Node) bool { return n.Data == "svg" })
	if len(svg) != 1 || attr(svg[0], "role") != "img" || !strings.Contains(text(p.byID("pw-drawing-title")), "Visitors of example.com/shop over the last week") ||
		!strings.Contains(text(p.byID("pw-drawing-desc")), "fired 3 times") {
		t.Error("want one drawing that says what it shows")
	}
	if attr(p.named("threshold"), "value") != "100" || !has(p.named("recovery"), "checked") {
		t.Error("what was typed is lost")
	}
	trial := b.rooms.trials[0]
	if trial.Subject.Site.ID != 1 || trial.Trigger.Threshold != 100 || !trial.Trigger.NotifyRecovery || !trial.Since.Equal(clock.Add(-30*24*time.Hour)) || trial.Others[0] != 50 || trial.Others[1] != 200 {
		t.Errorf("tried %+v", trial)
	}
	b.chartPage("type=traffic.spike&threshold=100&recovery=1")
	if len(b.rooms.trials) != 1 {
		t.Error("the same question was asked again within a minute")
	}
	b.now = b.now.Add(61 * time.Second)
	b.chartPage("type=traffic.spike&threshold=100&recovery=1")
	if len(b.rooms.trials) != 2 {
		t.Error("an answer of a minute ago was shown as if it were new")
	}
	b.chartPage("type=traffic.spike")
	if trial = b.rooms.trials[2]; trial.Subject.Threshold != 40 || trial.Trigger.Threshold != 0 {
		t.Errorf("without a threshold, tried %+v; want the site's own", trial.Trigger)
	}
}

func TestChartWithoutAThreshold(t *testing.T) {
	b := newBed(t)
	b.rooms.outlook = outlook(130)
	p := b.chartPage("type=traffic.drop")
	p.wantText("Enter a number above and look again")
	p.wantNothingOf("It would have fired", "pw-chart-threshold", "pw-chart-mark")
	if attr(p.named("threshold"), "value") != "" {
		t.Error("a threshold was filled in that nobody typed")
	}
	b.chartPage("type=goal.threshold&goal=10").wantText("completions", "Enter a number above")
}

func TestChartOnTheFormOfANewWebhook(t *testing.T) {
	b := newBed(t)
	b.rooms.outlook = outlook(130)
	p := b.post("new", "form", "1", "url", hookURL, "format", "auto", "name", "Ops", "when", "existing", "show", "traffic.spike", "traffic-spike-threshold", "100")
	p.wantText("It would have fired 3 times")
	if attr(p.named("url"), "value") != hookURL || attr(p.named("name"), "value") != "Ops" || attr(p.named("traffic-spike-threshold"), "value") != "100" || !has(p.named("traffic-spike-on"), "checked") {
		t.Error("what was typed is lost")
	}
	if len(b.all()) != 0 {
		t.Error("looking stored something")
	}
	p = b.post("new", "url", hookURL, "show", "traffic.spike", "traffic-spike-threshold", "x")
	p.wantWrong("traffic-spike-threshold", "1 or more")
}

func TestChartsThatCannotBeDrawn(t *testing.T) {
	b := newBed(t)
	b.chartPage("type=traffic.spike&threshold=1").wantText("Nothing was recorded in the last 30 days")
	b.rooms.outlook = outlook(130)
	b.chartPage("type=goal.completed").wantText("Choose one goal to see its past")
	b.rooms.backtest = func(context.Context) error { return errors.New("dial tcp 10.0.0.1:8123: refused") }
	p := b.chartPage("type=traffic.spike&threshold=2")
	p.wantText("The statistics database does not answer right now")
	p.wantNothingOf("10.0.0.1", "<svg")
}

// One at a time of a site, two in all.
func TestChartsAreBounded(t *testing.T) {
	b := newBed(t)
	w, theirs := b.add("example.com/shop", store.NewWebhook{}), b.add("other.example.org", store.NewWebhook{})
	b.exec("insert into public.sites (id, domain, timezone, inserted_at, updated_at) values (3, 'third.example.org', 'Etc/UTC', now(), now())")
	third := b.add("third.example.org", store.NewWebhook{})
	started, finish := make(chan struct{}), make(chan struct{})
	b.rooms.outlook = outlook(130)
	b.rooms.backtest = func(context.Context) error { started <- struct{}{}; <-finish; return nil }
	ask := func(w store.Webhook, threshold string) string {
		v := settings.Visit{Site: settings.Site{ID: w.SiteID, Domain: "x", Timezone: "Etc/UTC"}, Base: base, Rest: []string{itoa(w.ID), "triggers", "new"},
			Query: map[string][]string{"show": {"1"}, "type": {string(event.TrafficSpike)}, "threshold": {threshold}}}
		p, err := b.pages.Serve(t.Context(), v, "GET")
		if err != nil {
			t.Error(err)
		}
		return string(p.Body)
	}
	const busy = "Other charts are being drawn right now"
	answers := make(chan string, 2)
	go func() { answers <- ask(w, "10") }()
	<-started
	if !strings.Contains(ask(w, "11"), busy) {
		t.Error("a second chart of the site was drawn beside the first")
	}
	go func() { answers <- ask(theirs, "10") }()
	<-started
	if !strings.Contains(ask(third, "10"), busy) {
		t.Error("a third chart was drawn beside two")
	}
	close(finish)
	for range 2 {
		if answer := <-answers; !strings.Contains(answer, "<svg") {
			t.Error("a chart that had begun was not drawn")
		}
	}
	go func() { <-started }()
	if !strings.Contains(ask(w, "11"), "<svg") {
		t.Error("afterwards there is still no place")
	}
}
