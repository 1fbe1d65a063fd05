package settings_test

import (
	"net/url"
	"strings"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"

	"golang.org/x/net/html"
)

func (b *bed) all() []store.Webhook {
	b.t.Helper()
	all, err := b.store.List(b.t.Context(), store.Filter{})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func types(w store.Webhook) string {
	var names []string
	for _, t := range w.Triggers {
		names = append(names, string(t.Type))
	}
	return strings.Join(names, " ")
}

func TestAddWithWhatPlausibleHasAlready(t *testing.T) {
	b := newBed(t)
	form := b.get("new")
	form.wantText("Use this site’s existing traffic notifications and goals", "40 or more visitors at once", "traffic drop notification is switched off", "Any goal is completed", "of which there are 2")
	if chosen := form.all(func(n *html.Node) bool { return attr(n, "type") == "radio" && has(n, "checked") }); len(chosen) != 1 || attr(chosen[0], "value") != "existing" {
		t.Error("the first choice is not the chosen one")
	}
	token := attr(form.named("form"), "value")
	p := b.post("new", "form", token, "url", hookURL, "format", "auto", "name", "Ops", "when", "existing")
	all := b.all()
	if len(all) != 1 || all[0].SiteID != 1 || all[0].Name != "Ops" || all[0].Format != event.Standard || types(all[0]) != "traffic.spike traffic.drop goal.completed" {
		t.Fatalf("stored %+v", all)
	}
	for _, trigger := range all[0].Triggers {
		if trigger.Threshold != 0 || trigger.GoalID != 0 {
			t.Errorf("trigger %+v has settings of its own", trigger)
		}
	}
	p.wantText("Webhook added", "it is not shown again", "How to verify", "JavaScript (Node)", "Python", "PHP", "Ruby", "Go", "Shell")
	shown := attr(p.byID("pw-secret"), "value")
	if !strings.HasPrefix(shown, "whsec_") || !has(p.byID("pw-secret"), "readonly") {
		t.Errorf("secret %q; want it to be copied from a field", shown)
	}
	if button := p.all(func(n *html.Node) bool { return attr(n, "data-pw-copy") == "pw-secret" }); len(button) != 1 || !has(button[0], "hidden") {
		t.Error("want a copy button that script shows")
	}
	again := b.post("new", "form", token, "url", hookURL, "format", "auto", "when", "existing")
	again.wantGoTo("/" + itoa(all[0].ID) + "?done=known")
	again.wantNothingOf(shown)
	if len(b.all()) != 1 {
		t.Error("loading the answer again made another webhook")
	}
	for _, path := range []string{"", itoa(all[0].ID), itoa(all[0].ID) + "/secret", itoa(all[0].ID) + "/edit"} {
		b.get(path).wantNothingOf(shown)
	}
}

func TestAddForAChat(t *testing.T) {
	b := newBed(t)
	for address, want := range map[string]event.Format{
		"https://hooks.slack.com/services/T0/B0/x": event.Slack, "https://DISCORD.com/api/webhooks/1/x": event.Discord,
		"https://contoso.webhook.office.com/x": event.Teams, "https://prod-1.westeurope.logic.azure.com/workflows/x": event.Teams,
		"https://chat.googleapis.com/v1/spaces/x": event.GoogleChat, "https://api.telegram.org/bot1:x/sendMessage?chat_id=1": event.Telegram,
		"https://ntfy.sh/topic": event.Ntfy,
	} {
		p := b.post("new", "form", address, "url", address, "format", "auto", "when", "later")
		all := b.all()
		if w := all[len(all)-1]; w.Format != want || w.HasSecret {
			t.Errorf("%s is stored with format %s and secret %v; want %s and none", address, w.Format, w.HasSecret, want)
		}
		p.wantGoTo("/" + itoa(all[len(all)-1].ID) + "?done=added")
	}
	b.post("new", "form", "n", "url", "https://hooks.slack.com/x", "format", "standard", "when", "later")
	if all := b.all(); all[len(all)-1].Format != event.Standard {
		t.Error("a chosen format was overruled")
	}
	b.post("new", "form", "m", "url", "https://hooks.slack.com.example.org/x", "format", "auto", "when", "later")
	if all := b.all(); all[len(all)-1].Format != event.Standard {
		t.Error("a host that only begins like Slack's was taken for it")
	}
}

func TestAddChoosingEvents(t *testing.T) {
	b := newBed(t)
	b.post("new", "form", "1", "url", hookURL, "format", "auto", "when", "own",
		"traffic-spike-on", "1", "traffic-spike-threshold", "1,000", "traffic-spike-window", "900", "traffic-spike-recovery", "1",
		"goal-completed-on", "1", "goal-completed-goal", "11", "goal-threshold-threshold", "not looked at")
	w := b.all()[0]
	if types(w) != "traffic.spike goal.completed" {
		t.Fatalf("triggers %s", types(w))
	}
	if s := w.Triggers[0]; s.Threshold != 1000 || s.WindowSeconds != 900 || !s.NotifyRecovery || !s.Repeat {
		t.Errorf("spike %+v", s)
	}
	if w.Triggers[1].GoalID != 11 {
		t.Errorf("goal %d; want 11", w.Triggers[1].GoalID)
	}
}

func TestAddTellsEverythingThatIsWrong(t *testing.T) {
	b := newBed(t)
	p := b.post("new", "form", "1", "url", "http://10.0.0.1/path", "format", "slack", "name", strings.Repeat("n", 101), "when", "own",
		"traffic-spike-on", "1", "traffic-spike-threshold", "many", "goal-threshold-on", "1", "goal-threshold-goal", "20",
		"traffic-drop-on", "1", "traffic-drop-window", "61")
	p.wantWrong("url", "This address is not allowed")
	p.wantWrong("name", "at most 100")
	p.wantWrong("traffic-spike-threshold", "Enter a whole number of visitors, 1 or more.")
	p.wantWrong("traffic-drop-window", "Choose one of the list.")
	p.wantWrong("goal-threshold-threshold", "Enter how many completions make it fire.")
	p.wantWrong("goal-threshold-goal", "no such goal")
	p.wantNothingOf("Order")
	for name, want := range map[string]string{"url": "http://10.0.0.1/path", "traffic-spike-threshold": "many"} {
		if got := attr(p.named(name), "value"); got != want {
			t.Errorf("field %s has %q; want %q kept", name, got, want)
		}
	}
	if len(b.all()) != 0 {
		t.Error("something was stored")
	}
	b.post("new", "url", hookURL, "when", "own").wantText("Tick at least one of the events below")
	b.post("new", "url", hookURL).wantText("Choose when it should fire")
	for range 20 {
		b.add("example.com/shop", store.NewWebhook{})
	}
	b.post("new", "form", "2", "url", hookURL, "format", "auto", "when", "later").wantText("WEBHOOKS_MAX_PER_SITE allows 20")
}

func TestRotateASecret(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops"})
	at := itoa(w.ID) + "/secret"
	form := b.get(at)
	form.wantText("cannot be shown again", "Go on signing with the old secret for")
	token := attr(form.named("form"), "value")
	p := b.post(at, "form", token, "overlap", "1h")
	p.wantText("The new signing secret of Ops", "The old secret goes on signing beside it for 1 hour")
	if !strings.HasPrefix(attr(p.byID("pw-secret"), "value"), "whsec_") {
		t.Error("the new secret is not shown")
	}
	b.now = b.stored(w.ID).UpdatedAt
	b.get(at).wantText("The secret before this one still signs until")
	b.post(at, "form", token, "overlap", "1h").wantGoTo("/" + itoa(w.ID) + "?done=known")

	own := "my very own secret text"
	p = b.post(at, "form", "2", "overlap", "0s", "own", own)
	if attr(p.byID("pw-secret"), "value") != own || !strings.HasPrefix(attr(p.byID("pw-whsec"), "value"), "whsec_") {
		t.Error("a secret of one's own is not shown in both forms")
	}
	p.wantText("From now on it alone signs")
	p = b.post(at, "form", "3", "overlap", "1h", "own", "short secret")
	p.wantWrong("own", "16")
	p.wantNothingOf("short secret")
	b.post(at, "form", "4", "overlap", "900h").wantWrong("overlap", "not between")
}

func TestPauseResumeDelete(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops"})
	at := itoa(w.ID)
	b.post(at+"/pause", "from", "overview").wantGoTo("?done=paused")
	if !b.stored(w.ID).Paused() {
		t.Error("it is not paused")
	}
	b.get(at).wantText("A person paused it", "Switch the webhook on first")
	b.post(at + "/resume").wantGoTo("/" + at + "?done=resumed")
	if !b.stored(w.ID).Enabled {
		t.Error("it is not on")
	}
	b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'failing' where id = $1", w.ID)
	b.get(at).wantText("For a long time nothing it sent got through", "Switch on again")
	b.post(at + "/pause")
	if got := b.stored(w.ID).DisabledReason; got != "failing" {
		t.Errorf("pausing a disabled webhook made its reason %q", got)
	}
	b.post(at + "/resume")
	if got := b.stored(w.ID); !got.Enabled || got.DisabledReason != "" {
		t.Errorf("it is not on again: %+v", got)
	}
	b.get(at+"/delete").wantText("Delete Ops?", "cannot be undone")
	if len(b.all()) != 1 {
		t.Fatal("a GET deleted it")
	}
	b.post(at + "/delete").wantGoTo("?done=deleted")
	if len(b.all()) != 0 {
		t.Error("it is still there")
	}
}

func TestFormsAreRememberedForTheirSiteOnly(t *testing.T) {
	b := newBed(t)
	b.post("new", "form", "same", "url", hookURL, "format", "auto", "when", "later")
	b.site = settingsSite2
	p := b.post("new", "form", "same", "url", hookURL, "format", "auto", "when", "later")
	if p.GoTo != "" || len(b.all()) != 2 {
		t.Errorf("another site's form was taken for a repetition: %q", p.GoTo)
	}
}

func TestMethodsAndLostPaths(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{})
	at := itoa(w.ID)
	for _, path := range []string{at + "/pause", at + "/resume", at + "/test", at + "/deliveries/resend"} {
		b.get(path).wantStatus(405)
	}
	b.visit("PUT", at, url.Values{}).wantStatus(405)
	b.post("", "a", "b").wantStatus(405)
	for _, path := range []string{"0", "-1", "01", "x", "999", at + "/x", at + "/edit/x", at + "/triggers", at + "/triggers/x", at + "/triggers/1/x", at + "/deliveries/1/x", "new/x", "99999999999999999999"} {
		b.get(path).wantStatus(404)
	}
}
