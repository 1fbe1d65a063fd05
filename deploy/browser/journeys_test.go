package browser_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/receiver"

	"github.com/chromedp/chromedp"
)

// TestInChromium is one test, since its parts share a browser and a house, and
// one after the other, since the layout is that of the whole house.
func TestInChromium(t *testing.T) {
	window := chromium(t)
	h := newHouse(t)
	for _, j := range journeys {
		t.Run(j.name, func(t *testing.T) {
			b := enter(t, window, h, j.name, j.way)
			j.walk(b)
		})
	}
	t.Run("axe", func(t *testing.T) { audit(t, window, h) })
	t.Run("away", func(t *testing.T) { plausibleAway(t, window, h) })
}

// enter settles a person and has them sign in on the way to the page.
func enter(t *testing.T, window context.Context, h *house, name string, w way) *tab {
	t.Helper()
	layout, theme := plausible.Current, "system"
	if w.plain {
		layout = plausible.Unknown
	}
	if w.dark && w.noScript {
		theme = "dark" // Plausible asks the system with a script.
	}
	h.web.Show(layout)
	b := open(t, window, h, fmt.Sprintf("%s-%s", name, w), w)
	b.email, b.site = h.settle(name, theme)
	b.visit(b.site.path("webhooks"))
	b.wants("Enter your account credentials")
	b.fill("Email", b.email)
	b.fill("Password", password)
	b.follow("Log in")
	b.wants("Webhooks", "No webhooks yet")
	return b
}

// glance is the site's webhooks at a glance, from none to several.
func glance(b *tab) {
	b.shot("empty")
	h, s := b.house, b.site
	well := h.hook(s, "Ops", "https://ops.example.net/hook/secret-path")
	for i := range 9 {
		h.past(well, s, "traffic.spike", map[bool]string{true: "failed", false: "delivered"}[i == 3], time.Duration(i)*time.Hour)
	}
	chat := value[int64](h, "insert into plausible_webhooks.webhooks (site_id, url, format, enabled) values ($1, 'https://hooks.slack.com/services/T0/B0/secret', 'slack', false) returning id", s.id)
	h.exec("insert into plausible_webhooks.webhook_triggers (webhook_id, type) values ($1, 'traffic.drop'), ($1, 'goal.completed')", chat)
	gone := h.hook(s, "Warehouse of every number that anybody ever wanted to have in one place", "https://warehouse-with-a-long-name.analytics.internal.example.net/in")
	h.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'gone' where id = $1", gone)
	h.past(gone, s, "traffic.spike", "cancelled", time.Hour)

	b.visit(s.path("webhooks"))
	b.wants("Ops", "ops.example.net", "100 or more visitors at once", "Active", "Last delivery", "Delivered, answered 200",
		"hooks.slack.com", "Paused", "Any goal is completed", "Disabled", "410 Gone")
	b.lacks("secret-path")
	b.shot("full")
	b.follow("Send events to Ops")
	b.wants("Webhook paused")
	if value[bool](h, "select enabled from plausible_webhooks.webhooks where id = $1", well) {
		b.Error("the switch on the overview did not pause the webhook")
	}
	b.follow("Send events to Ops")
	b.wants("Webhook switched on")
	b.follow("Ops")
	b.wants("Triggers", "Send a test", "Latest deliveries")
	b.shot("webhook")
}

// add is a webhook added in a minute, with its secret.
func add(b *tab) {
	b.follow("Add your first webhook")
	b.fill("URL", "https://hooks.slack.com/services/T0/B0/x")
	b.wants("By its host, the format is Slack")
	b.fill("URL", b.house.receiver.URL("/add"))
	b.wants("By its host, the format is Standard")
	b.fill("Name", "Ops")
	b.wants("40 or more visitors at once", "as in Plausible’s own notification", "Any goal is completed")
	b.shot("form")
	b.follow("Add webhook")
	b.wants("Webhook added", "Copy it now")
	b.shot("secret")
	secret := b.value("Copy it now: it is not shown again.")
	if !strings.HasPrefix(secret, "whsec_") {
		b.Errorf("the secret is %q", secret)
	}
	b.press("Copy")
	b.wants("Copied")
	b.press("Python")
	b.wants("def verify(secret")
	b.shot("verify")
	b.follow("Done, I have copied it")
	b.wants("Ops", "Active", "40 or more visitors at once")
	b.lacks(secret)
}

// threshold is one chosen by looking at the past.
func threshold(b *tab) {
	b.house.traffic(b.site)
	b.house.hook(b.site, "Ops", b.house.receiver.URL("/threshold"))
	b.menu("General") // From our page, whose list is followed by a script of ours,
	b.wants("Not part of the stand-in")
	b.menu("Webhooks") // and from Plausible's, with its own.
	b.follow("Ops")
	b.follow("Add trigger")
	b.shot("types")
	b.tick("Goal completed often")
	b.follow("Next")
	b.choose("Goal", "Signup")
	b.fill("Completions, this many or more", "1")
	b.follow("Show me the last week")
	b.wants("would have fired", "in the last 30 days")
	b.shot("goal")
	b.visit(b.site.path("webhooks"))
	b.follow("Ops")
	b.follow("Change: 100 or more visitors at once")
	b.follow("Show me the last week")
	b.wants("would never have fired in the last 30 days", "With 50 it would have fired once")
	b.fill("Visitors, this many or more", "50")
	b.follow("Show me the last week")
	b.wants("would have fired once in the last 30 days")
	b.press("The numbers, day by day")
	b.shot("spike")
	b.follow("Save trigger")
	b.wants("Trigger saved", "50 or more visitors at once")
}

// sendTest is a test of each kind of outcome.
func sendTest(b *tab) {
	b.house.receiver.Behave("/test", receiver.Accept)
	b.house.hook(b.site, "Ops", b.house.receiver.URL("/test"))
	b.visit(b.site.path("webhooks"))
	b.follow("Ops")
	b.choose("Looks like", "Goal completed")
	b.follow("Send test")
	b.wants("Delivered, answered 200", "Answered 200", "webhook-id", "goal.completed", "dashboard_url")
	if got := b.house.receiver.Requests("/test"); len(got) != 1 || got[0].Header.Get("X-Webhook-Event") != "webhook.test" {
		b.Errorf("the receiver got %d requests; want one test", len(got))
	}
	b.shot("delivered")
	b.house.receiver.Behave("/test", receiver.Must("500"))
	b.follow("Ops")
	b.follow("Send test")
	b.wants("Failed after 2 attempts", "Answered 500", "Attempt 2")
	b.shot("failed")
}

// readLog is a log that is filtered, read and sent again from.
func readLog(b *tab) {
	h, s := b.house, b.site
	h.receiver.Behave("/log", receiver.Accept)
	hook := h.hook(s, "Ops", h.receiver.URL("/log"))
	for i := range 70 {
		event, status := "traffic.spike", "delivered"
		if i%10 == 3 {
			status = "failed"
		}
		if i%2 == 1 {
			event = "goal.completed"
		}
		h.past(hook, s, event, status, time.Duration(i)*time.Hour)
	}
	b.visit(s.path("webhooks"))
	b.follow("Ops")
	b.follow("All deliveries")
	b.shot("all")
	b.follow("Older")
	b.follow("Newest")
	b.choose("State", "Failed")
	b.choose("Event", "Goal completed")
	b.follow("Filter")
	b.wants("Failed after 1 attempt: answered 503")
	b.lacks("Delivered, answered")
	b.shot("failed")
	b.choose("Event", "Traffic drop")
	b.follow("Filter")
	b.wants("No delivery fits")
	b.shot("none")
	b.follow("Show all")
	b.do("name the newest that failed", js(`document.querySelector(".pw-rows a .pw-badge-bad").closest("a").setAttribute("aria-label", "the newest that failed")`))
	b.follow("the newest that failed")
	b.wants("Answered 503", "upstream says hello", "sha256=••••••", "current_visitors")
	b.shot("delivery")
	b.follow("Send again")
	b.wants("Answered 200", "Attempt 2")
	b.follow("Deliveries")
	b.choose("What", "Failed")
	b.choose("Made in the", "Last 7 days")
	b.follow("Send again")
	b.wants("6 deliveries are on the way again")
	b.wantReceived("/log", 7)
}

// change is everything that can be done to a webhook there is.
func change(b *tab) {
	h := b.house
	hook := h.hook(b.site, "Ops", h.receiver.URL("/gone"))
	h.exec("update plausible_webhooks.webhooks set secret = 'a secret of a person' where id = $1", hook)
	b.visit(b.site.path("webhooks"))
	b.follow("Ops")
	b.follow("Edit")
	b.fill("Name", "Ops of the night")
	b.fill("Timeout in seconds", "10")
	b.fill("Header name@1", "X-Api-Key")
	b.fill("Header value@1", "sesame")
	b.shot("edit")
	b.follow("Save changes")
	b.wants("Changes saved", "Ops of the night", "10 seconds", "X-Api-Key")
	b.lacks("sesame")
	b.follow("Pause")
	b.wants("Webhook paused", "Switch the webhook on first")
	b.shot("paused")
	b.follow("Switch on")
	b.wants("Webhook switched on")
	b.follow("Signing secret")
	b.wants("cannot be shown again")
	b.choose("Go on signing with the old secret for", "1 hour")
	b.shot("rotate")
	b.follow("Make a new secret")
	b.wants("The new signing secret", "goes on signing beside it for 1 hour")
	b.follow("Done, I have copied it")
	h.receiver.Behave("/gone", receiver.Must("410"))
	b.follow("Send test")
	b.wants("Answered 410")
	b.follow("Ops of the night")
	b.wants("Disabled", "410 Gone", "Ask for a new URL")
	b.shot("disabled")
	b.follow("Switch on again")
	b.wants("Webhook switched on", "Active")
	b.follow("Delete")
	b.wants("This cannot be undone")
	b.shot("delete")
	b.follow("Keep it")
	b.follow("Delete")
	b.follow("Delete webhook")
	b.wants("Webhook deleted", "No webhooks yet")
	if value[bool](h, "select exists (select from plausible_webhooks.webhooks where id = $1)", hook) {
		b.Error("the webhook is still there")
	}
}

// mistakes are told next to their fields, with what was typed kept.
func mistakes(b *tab) {
	b.follow("Add your first webhook")
	b.fill("URL", "https://10.0.0.1/internal")
	b.fill("Name", "Ops")
	b.tick("Choose events and thresholds")
	b.tick("Traffic drop")
	b.followFor("Add webhook", 422)
	b.wants("2 things need another look", "Nothing was saved")
	if got := b.value("URL"); got != "https://10.0.0.1/internal" {
		b.Errorf("the URL is %q after a mistake, want what was typed", got)
	}
	for _, field := range []string{"URL", "Visitors, fewer than"} {
		b.find("field", field)
		if !eval[bool](b, `pwFound.getAttribute("aria-invalid") === "true" && pwFound.getAttribute("aria-describedby").split(" ").some((id) => document.getElementById(id).matches(".pw-error"))`) {
			b.Errorf("field %q is not described as wrong", field)
		}
	}
	b.shot("add")
	b.fill("URL", b.house.receiver.URL("/mistakes"))
	b.fill("Visitors, fewer than", "3")
	b.follow("Add webhook")
	b.follow("Done, I have copied it")
	b.wants("Fewer than 3 visitors in 12 hours")
	b.follow("Signing secret")
	b.press("Use a secret of my own")
	b.fill("Secret", "short")
	b.followFor("Make a new secret", 422)
	b.wants("One thing needs another look")
	b.shot("secret")
	b.follow("Ops")
	exact := eval[string](b, `document.querySelector(".pw time").title`)
	if !strings.HasSuffix(exact, " UTC") {
		b.Errorf("the time on hover is %q, want the exact one", exact)
	}
	b.wants("Times are in Europe/Tallinn")
	b.visitFor(b.site.path("webhooks/999999"), 404)
	b.wants("There is nothing here")
	b.shot("lost")
}

// menu goes to another page by the list that narrow screens have for a menu.
func (b *tab) menu(page string) {
	b.Helper()
	b.load("choose "+page, 200, chromedp.Func(func(context.Context, *chromedp.Target) error {
		b.choose("Settings page", page)
		return nil
	}))
}

func (b *tab) wantReceived(path string, n int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := b.house.receiver.Wait(ctx, path, n); err != nil {
		b.Error(err)
	}
}
