package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// The marks that stand in everything which must not be shown: a secret, a
// header's value, the path and query of a URL, keys, passwords.
const (
	markedSecret   = "M4RKsecret of a webhook"
	markedPrevious = "M4RKprevious secret of it"
	markedHeader   = "M4RKheader"
	markedPath     = "/services/M4RKpath"
	markedQuery    = "?token=M4RKquery"
	markedKeyBase  = "M4RKkeybase 0123456789abcdef0123456789abcdef0123456789abcdef012345"
	markedPassword = "M4RKpassword"
	markedUnfit    = "M4RK"
)

// marks are what to look for: the common part, and the same in the encodings
// that something might show it in.
func marks() []string {
	found := []string{"M4RK", "services/"}
	for _, text := range []string{markedSecret, markedPrevious, markedHeader, markedKeyBase} {
		// Without the last characters, which depend on what follows.
		found = append(found, base64.StdEncoding.EncodeToString([]byte(text))[:16], fmt.Sprintf("%x", text)[:20])
	}
	return found
}

// leaks returns which of the marks stand in a text, with what is around them.
func leaks(text string) []string {
	var found []string
	for _, mark := range marks() {
		if i := strings.Index(text, mark); i >= 0 {
			found = append(found, fmt.Sprintf("…%s…", text[max(0, i-80):min(len(text), i+80)]))
		}
	}
	return found
}

// Nothing that a command prints holds a secret, a header's value or a URL's
// path, but for add and rotate-secret, which show the secret: once, and only
// where it is new.
func TestNoCommandLeaks(t *testing.T) {
	r, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	s := newShell(t)
	s.environ = append(s.environ, "SECRET_KEY_BASE="+markedKeyBase, "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1",
		"CLICKHOUSE_DATABASE_URL=http://default:"+markedPassword+"@127.0.0.1:1/events")
	url := "https://hooks.example.com" + markedPath + markedQuery
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	headers, unfitHeaders := file("X-Api-Key: "+markedHeader), file("Host: "+markedHeader+"\nX-A: "+markedHeader+"\nX-A: "+markedHeader+"\n"+markedHeader)
	unfit := "whsec_" + markedUnfit
	changed, without := "SECRET_KEY_BASE=another "+markedKeyBase, "SECRET_KEY_BASE="

	used := make(map[string]bool) // Commands, to see that none was forgotten.
	ran := func(line []string) {
		words := 1
		if line[0] == "webhook" || line[0] == "delivery" {
			words = 2
		}
		used[strings.Join(line[:words], " ")] = true
	}
	quiet := func(s shell, stdin string, line ...string) {
		t.Helper()
		ran(line)
		got := s.runWith(stdin, line...)
		for _, leak := range leaks(got.stdout + got.stderr) {
			t.Errorf("%v shows %s", line, leak)
		}
	}
	showing := func(secret string, line ...string) {
		t.Helper()
		ran(line)
		got := s.runWith(secret, line...)
		got.want(t, exitDone)
		if n := strings.Count(got.stdout, secret); n != 1 {
			t.Errorf("%v shows the secret %d times; want once:\n%s", line, n, got.stdout)
		}
		rest := strings.ReplaceAll(got.stdout+got.stderr, secret, "")
		rest = strings.ReplaceAll(rest, base64.StdEncoding.EncodeToString([]byte(secret)), "") // The form for libraries.
		for _, leak := range leaks(rest) {
			t.Errorf("%v shows %s", line, leak)
		}
	}

	quiet(s, "", "migrate")
	quiet(s, "", "migrate", "--print-role")
	quiet(s, "", "version")
	showing(markedPrevious, "webhook", "add", "--site", "example.com", "--url", url, "--secret-file", "-", "--header-file", headers, "--trigger", "traffic.spike")
	showing(markedSecret, "webhook", "rotate-secret", "1", "--secret-file", "-")
	showing(markedPrevious, "webhook", "add", "--url", url, "--secret-file", "-", "--header-file", headers, "--json")
	showing(markedSecret, "webhook", "rotate-secret", "2", "--secret-file", "-", "--json")
	s.exec(`update plausible_webhooks.webhooks set secret = $1 where id = 2`, markedSecret) // Plain, as others write it.
	s.exec(`insert into plausible_webhooks.webhooks (url, secret, headers) values ($1, $2, jsonb_build_object('Host', $3::text, 'X-B', $3::text))`,
		"ftp://us:M4RKpassword@hooks.example.com"+markedPath, unfit, markedHeader)

	// The log, with what a sender and hostile receivers leave in it.
	s.exec(`insert into plausible_webhooks.webhook_deliveries (id, webhook_id, event_type, payload, status, attempts, last_error) values
		($1, 1, 'traffic.spike', '{}', 'failed', 1, 'answered 503 Service Unavailable')`, firstDelivery)
	for name, s := range map[string]shell{"the key": s, "another key": s.with(changed), "no key": s.with(without)} {
		for _, more := range [][]string{{}, {"--json"}} {
			for _, line := range [][]string{
				{"check"}, {"uninstall"}, {"webhook", "list"}, {"delivery", "list"}, {"delivery", "show", firstDelivery},
				{"webhook", "update", "1", "--name", name}, {"webhook", "update", "1", "--timeout", "2s"}, {"webhook", "update", "1", "--header-file", headers},
				{"webhook", "update", "2", "--url", url}, {"webhook", "update", "3", "--enable"}, {"delivery", "resend", firstDelivery},
				{"webhook", "test", "1", "--wait", "0"}, {"webhook", "test", "3", "--wait", "0"},
				{"backtest", "--site", "example.com", "--type", "traffic.spike", "--threshold", "1"},
			} {
				quiet(s, "", append(line, more...)...)
			}
		}
		// Mistakes and failures, which tell what they were given.
		for _, bad := range []string{unfit, markedUnfit, "enc1:" + markedSecret, markedSecret + "\x00", markedSecret} {
			quiet(s, bad, "webhook", "add", "--url", "http://hooks.example.com"+markedPath, "--secret-file", "-")
			if bad != markedSecret {
				quiet(s, bad, "webhook", "rotate-secret", "1", "--secret-file", "-")
			}
		}
		for _, bad := range []string{"http://hooks.example.com", "https://10.0.0.1", "https://us:M4RKpassword@hooks.example.com", "https://hooks.example.com:99999", "://"} {
			quiet(s, "", "webhook", "update", "1", "--url", bad+markedPath+"#"+markedQuery)
		}
		quiet(s, "", "webhook", "update", "1", "--header-file", unfitHeaders)
		quiet(s, "", "webhook", "add", "--url", url, "--secret-file", "/nonexistent", "--header-file", headers)
		quiet(s, "", "delivery", "resend", "--webhook", "1", "--since", "1h")
	}
	for _, variable := range []string{
		"DATABASE_URL=postgres://us:" + markedPassword + "@127.0.0.1:1/nothing", "DATABASE_URL=postgres://us:" + markedPassword + "@[::1/nothing",
		"WEBHOOKS_SECRET_KEY=" + markedUnfit, "WEBHOOKS_SECRET=" + unfit, "WEBHOOKS_URL=http://hooks.example.com" + markedPath,
		"CLICKHOUSE_DATABASE_URL=ftp://us:" + markedPassword + "@x", "WEBHOOKS_PROXY=ftp://us:" + markedPassword + "@x",
	} {
		for _, line := range [][]string{{"check"}, {"health"}, {"run"}, {"webhook", "list"}, {"migrate", "--print-role"}, {"uninstall"}} {
			if line[0] != "run" || !strings.HasPrefix(variable, "DATABASE_URL=postgres://us:"+markedPassword+"@127") {
				quiet(s.with(variable), "", line...)
			}
		}
	}
	quiet(s, "", "webhook", "remove", "1")
	quiet(s, "", "uninstall", "--yes")

	for _, line := range commandLines {
		if line != "" && line != "webhook" && line != "delivery" && !used[line] {
			t.Errorf("%s was not tried: add it to this test", line)
		}
	}
}

// A sidecar at work, with everything that can go wrong with a webhook, shows
// nothing of it in its log at the finest level, its metrics, its health, its
// command line or the log of deliveries.
func TestNoSidecarLeaks(t *testing.T) {
	t.Parallel() // It waits most of the time.
	for _, form := range []string{"text", "json"} {
		t.Run(form, func(t *testing.T) {
			w := newWorld(t, stack.TestDatabase(t, stack.V32), "http://default:"+markedPassword+"@127.0.0.1:1/events")
			w.addSite(1, "example.com")
			w.environ = append(w.environ, "SECRET_KEY_BASE="+markedKeyBase, "WEBHOOKS_LOG_LEVEL=trace", "WEBHOOKS_LOG_FORMAT="+form,
				"WEBHOOKS_URL="+w.receiver.URL(markedPath+"/instance"+markedQuery), "WEBHOOKS_SECRET="+markedSecret,
				"WEBHOOKS_RETRIES=1", "WEBHOOKS_RETRY_WAIT_MIN=10ms", "WEBHOOKS_RETRY_WAIT_MAX=10ms", "WEBHOOKS_TIMEOUT=1s")
			w.startReady()

			var deliveries []string
			for _, behaviour := range []string{"200", "500", "302", "410", "hang", "empty", "garbage", "truncate", "retry-after:0"} {
				path := markedPath + "/" + behaviour
				w.receiver.Behave(path, receiver.Must(behaviour))
				hook := w.addHook(1, path+markedQuery, markedSecret)
				w.exec(`update plausible_webhooks.webhooks set headers = jsonb_build_object('X-Api-Key', $2::text), previous_secret = $3,
					previous_secret_expires_at = now() + interval '1 hour' where id = $1`, hook, markedHeader, markedPrevious)
				deliveries = append(deliveries, w.enqueue(hook))
			}
			for _, broken := range []string{
				"secret = 'whsec_M4RK'", "headers = jsonb_build_object('Host', 'M4RKheader')", "headers = jsonb_build_object('M4RK header', 1)",
				"url = 'https://10.0.0.1/services/M4RKpath'", "url = 'M4RK'", "url = 'https://us:M4RKpassword@example.com/'", "url = 'https://127.0.0.1/%zzM4RK'",
			} {
				hook := w.addHook(1, markedPath+markedQuery, markedSecret)
				w.exec("update plausible_webhooks.webhooks set "+broken+" where id = $1", hook)
				deliveries = append(deliveries, w.enqueue(hook))
			}
			for _, delivery := range deliveries {
				w.finished(delivery)
			}
			// One whose key is lost, and is never finished.
			lost := w.addHook(1, markedPath, "enc1:0123456789ab:TTRSS3NlY3JldA==")
			waiting := w.enqueue(lost)
			w.until("the delivery without a key to say why it waits", patience, func() bool {
				return value[bool](w, "select coalesce(last_error, '') like '%rotate-secret%' from plausible_webhooks.webhook_deliveries where id = $1::uuid", waiting)
			})

			w.until("what was written plainly to be encrypted", patience, func() bool {
				return value[int](w, `select count(*) from plausible_webhooks.webhooks
					where secret like '%M4RK%' or previous_secret like '%M4RK%' or headers->>'X-Api-Key' like '%M4RK%'`) == 0
			})

			arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", w.process.PID()))
			if err != nil {
				t.Fatal(err)
			}
			shown := map[string]string{"its command line": string(arguments)}
			for _, path := range []string{"/metrics", "/readyz", "/healthz", "/"} {
				shown[path] = w.admin(path)
			}
			shown["the log of deliveries"] = value[string](w, `select string_agg(concat_ws(' ', d.last_error, a.error, a.response_excerpt), e'\n')
				from plausible_webhooks.webhook_deliveries d left join plausible_webhooks.webhook_delivery_attempts a on a.delivery_id = d.id`)
			if err := w.process.Stop(); err != nil {
				t.Error(err)
			}
			shown["its log"] = w.log.String()
			for _, want := range []string{"attempt failed", "rotate-secret", "delivered"} {
				if !strings.Contains(shown["its log"], want) {
					t.Errorf("the log does not tell of %q, so that this test proves little", want)
				}
			}
			for where, text := range shown {
				for _, leak := range leaks(text) {
					t.Errorf("%s shows %s", where, leak)
				}
			}
		})
	}
}

// admin asks the sidecar for a path of WEBHOOKS_ADMIN_LISTEN.
func (w *world) admin(path string) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(w.t.Context()), http.MethodGet, "http://"+w.process.Admin+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}
