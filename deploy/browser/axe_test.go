package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/plausible"
)

// axeCore is axe-core at the version of its lock file.
func axeCore(t *testing.T) string {
	t.Helper()
	absent := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		absent("npm is not installed: apt-get install npm")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("axe")); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		for _, offline := range []string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH"} {
			if bytes.Contains(out, []byte(offline)) {
				absent("the npm registry cannot be reached (%s)", offline)
			}
		}
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	code, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(code)
}

// wcag has axe-core judge the whole document by every rule of WCAG 2.2 A and AA,
// colours by those alone that look at colours.
const (
	wcag    = `{ type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }`
	colours = `{ type: "rule", values: ["color-contrast", "link-in-text-block"] }`
)

// judge fails for each violation on the page, in light and in dark.
func (b *tab) judge(code, page string) {
	b.Helper()
	b.do("load axe-core", js(code))
	for _, dark := range []bool{false, true} {
		b.turn(dark)
		rules := map[bool]string{false: wcag, true: colours}[dark]
		for _, violation := range eval[[]string](b, `axe.run(document, { runOnly: `+rules+`, resultTypes: ["violations"] })
			.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + " (" + v.help + "): " + n.html.slice(0, 200) + " " + n.failureSummary.replace(/\s+/g, " "))))`) {
			b.Errorf("%s, dark %v: %s", page, dark, violation)
		}
	}
	b.turn(false)
}

// audit goes to every page, in both layouts, one on a telephone and one on a
// screen, and has each judged in light and in dark.
func audit(t *testing.T, window context.Context, h *house) {
	code := axeCore(t)
	for _, w := range []way{{narrow: true}, {plain: true}} {
		name := "axe-" + w.String()
		t.Run(w.String(), func(t *testing.T) {
			b := enter(t, window, h, name, w)
			judge := func(page string) { t.Helper(); b.judge(code, page) }
			judge("overview, empty")
			b.everyPage(judge)
		})
	}
}

// turn makes a page dark or light: Plausible's theme is a class, the plain
// layout follows the system.
func (b *tab) turn(dark bool) {
	b.Helper()
	b.do("turn the page", prefers(dark),
		js(fmt.Sprintf(`if (!document.documentElement.classList.contains("pw-plain")) document.documentElement.classList.toggle("dark", %v)`, dark)))
}

// everyPage comes to every page that there is, in each of its states.
func (b *tab) everyPage(judge func(page string)) {
	b.Helper()
	h, s := b.house, b.site
	h.traffic(s)
	hook := h.hook(s, "Ops", h.receiver.URL("/axe"))
	path := func(below string) string { return s.path("webhooks") + below }
	at := fmt.Sprintf("/%d", hook)
	for i := range 12 {
		h.past(hook, s, "traffic.spike", []string{"delivered", "failed", "cancelled"}[i%3], time.Duration(i)*time.Hour)
	}
	failed := h.past(hook, s, "goal.completed", "failed", time.Minute)
	paused := h.hook(s, "Paused", "https://paused.example.net/")
	h.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", paused)
	gone := h.hook(s, "Disabled", "https://gone.example.net/")
	h.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'gone' where id = $1", gone)
	bare := value[int64](h, "insert into plausible_webhooks.webhooks (site_id, url) values ($1, 'https://bare.example.net/') returning id", s.id)
	trigger := value[int64](h, "select id from plausible_webhooks.webhook_triggers where webhook_id = $1", hook)

	for _, page := range []struct{ name, path string }{
		{"overview, full", ""}, {"webhook", at}, {"webhook, disabled", fmt.Sprintf("/%d", gone)}, {"webhook, paused", fmt.Sprintf("/%d", paused)}, {"webhook without triggers", fmt.Sprintf("/%d", bare)},
		{"done", at + "?done=saved"}, {"edit", at + "/edit"}, {"rotate", at + "/secret"}, {"delete", at + "/delete"},
		{"trigger, types", at + "/triggers/new"}, {"trigger, new", at + "/triggers/new?type=goal.threshold"},
		{"trigger with chart", fmt.Sprintf("%s/triggers/%d?show=1&threshold=50", at, trigger)},
		{"log", at + "/deliveries"}, {"log, nothing fits", at + "/deliveries?event=traffic.drop"}, {"log, a wrong day", at + "/deliveries?until=never"},
		{"delivery", at + "/deliveries/" + failed},
	} {
		b.visit(path(page.path))
		judge(page.name)
	}
	b.visitFor(path("/999999"), 404)
	judge("404")

	b.visit(path("/new"))
	judge("add")
	b.fill("URL", "http://10.0.0.1")
	b.tick("Choose events and thresholds")
	b.tick("Goal completed often")
	b.followFor("Add webhook", 422)
	judge("add, with mistakes")
	b.fill("URL", h.receiver.URL("/axe"))
	b.tick("Decide later")
	b.follow("Add webhook")
	b.press("Python")
	judge("secret shown")
	b.visit(path(at + "/edit"))
	b.fill("Timeout in seconds", "never")
	b.followFor("Save changes", 422)
	judge("edit, with mistakes")
	b.visit(path(at))
	b.follow("Send test")
	b.wants("Answered 200")
	judge("test")
}

// plausibleAway is what is left to see while Plausible does not answer.
func plausibleAway(t *testing.T, window context.Context, h *house) {
	b := enter(t, window, h, "9-away", way{})
	address := strings.TrimPrefix(h.web.URL(), "http://")
	h.web.Stop()
	b.visitFor(b.site.path("webhooks"), 503)
	b.lacks(b.site.domain)
	b.shot("light")
	b.turn(true)
	b.shot("dark")
	b.judge(axeCore(t), "Plausible away")
	h.startWeb(address)
	h.web.Show(plausible.Current)
}
