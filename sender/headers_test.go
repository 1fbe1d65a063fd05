package sender_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// setHeaders writes headers as plain SQL of others would.
func (b *bed) setHeaders(hook int64, headers map[string]any) {
	b.t.Helper()
	text, err := json.Marshal(headers)
	if err != nil {
		b.t.Fatal(err)
	}
	b.exec("update plausible_webhooks.webhooks set headers = $2::jsonb where id = $1", hook, string(text))
}

// sealHeaders writes headers as the commands and the page do.
func (b *bed) sealHeaders(hook int64, keys secret.Keyring, name, value string) {
	b.t.Helper()
	stored, err := header.Read(hook, b.storedHeaders(hook))
	if err == nil {
		stored, err = stored.With(keys, []header.Header{{Name: name, Value: secret.New(value)}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.exec("update plausible_webhooks.webhooks set headers = $2::jsonb where id = $1", hook, stored.JSON())
}

func (b *bed) storedHeaders(hook int64) string {
	b.t.Helper()
	return value[string](b, "select headers::text from plausible_webhooks.webhooks where id = $1", hook)
}

func TestHeadersAreSentBesideOurs(t *testing.T) {
	for name, keys := range map[string]secret.Keyring{"plain": {}, "sealed": keyring(t, "k")} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			hook, chat := b.webhook(b.receiver.URL("/hook"), whsec), b.webhook(b.receiver.URL("/chat"), nil)
			for _, id := range []int64{hook, chat} {
				b.setHeaders(id, map[string]any{"authorization": "Bearer T0KEN", "X-Api-Key": "Grüße", "Accept": "text/plain"})
			}
			o := b.options()
			o.Keys = keys
			b.start(o)
			id := b.enqueue(hook, "{}")
			b.exec("insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, format, payload) values ($1, 'traffic.spike', 'ntfy', 'hello')", chat)
			for _, path := range []string{"/hook", "/chat"} {
				got := b.requests(path, 1)[0].Header
				for name, want := range map[string]string{"Authorization": "Bearer T0KEN", "X-Api-Key": "Grüße", "Accept": "text/plain",
					"User-Agent": "plausible-webhooks/1.2.3", "X-Webhook-Event": "traffic.spike"} {
					if diff := cmp.Diff([]string{want}, got[name]); diff != "" {
						t.Errorf("%s, header %s (-want +got):\n%s", path, name, diff)
					}
				}
			}
			request := b.requests("/hook", 1)[0]
			verifyStandard(t, whsec, request)
			if got := request.Header.Get("Webhook-Id"); got != id {
				t.Errorf("got webhook-id %s, want %s", got, id)
			}
		})
	}
}

// Every header that a request has of ours is one that rules refuse.
func TestOurHeadersCannotBeReplaced(t *testing.T) {
	b := newBed(t)
	b.start(b.options())
	b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	for name := range b.requests("/hook", 1)[0].Header {
		if len(header.Check([]header.Header{{Name: name, Value: secret.New("x")}})) == 0 {
			t.Errorf("a webhook may have a header %s of its own, which ours would meet", name)
		}
	}
}

func TestHeadersThatBreakTheRules(t *testing.T) {
	b := newBed(t)
	b.start(b.options())
	many := map[string]any{}
	for i := range 100 {
		many[fmt.Sprintf("X-%d", i)] = "T0KEN"
	}
	for want, headers := range map[string]map[string]any{
		"header webhook-SIGNATURE is not allowed: the sidecar sets it itself":       {"webhook-SIGNATURE": "T0KEN", "X-Fine": "v"},
		"header Host is not allowed: it is about the connection":                    {"Host": "T0KEN"},
		"header Content-Length is not allowed: the sidecar says what the body is":   {"Content-Length": "0"},
		"the value of header X-Key holds a line break or another control character": {"X-Key": "T0KEN\r\nX-Other: b"},
		"the name of a header is not valid":                                         {"X-Key: T0KEN\r\nX-Other": "b"},
		"the value of header X-Key is not a text":                                   {"X-Key": map[string]any{"T0KEN": 1}},
		"the value of header X-Key is empty":                                        {"X-Key": ""},
		"the value of header X-Key has 65536 bytes, want at most 4096":              {"X-Key": strings.Repeat("v", 64<<10)},
		"header x-key is given twice; names that differ in case are the same":       {"X-Key": "T0KEN", "x-key": "T0KEN"},
		"100 headers are more than the 20 that one webhook may have":                many,
	} {
		hook := b.webhook(b.receiver.URL("/hook"), whsec)
		b.setHeaders(hook, headers)
		d := b.untilStatus(b.enqueue(hook, "{}"), sender.StatusFailed)
		if len(d.AttemptLog) != 1 || d.LastError == nil || !strings.HasPrefix(*d.LastError, want) {
			t.Errorf("got %v, want one attempt and %q", texts(d.AttemptLog), want)
		}
		if strings.Contains(*d.LastError, "T0KEN") {
			t.Errorf("a value is shown: %s", *d.LastError)
		}
	}
	if n := len(b.receiver.Requests("/hook")); n != 0 {
		t.Errorf("%d requests went out", n)
	}
	if strings.Contains(b.log.String(), "T0KEN") {
		t.Errorf("a value is logged:\n%s", b.log)
	}
}

func TestPlainHeadersAreEncryptedAtFirstSight(t *testing.T) {
	b := newBed(t)
	const webhooks = 1203 // More than are read at once.
	b.exec(`insert into plausible_webhooks.webhooks (url, secret, headers) select $1, $2, jsonb_build_object('X-Key', 'value ' || n, 'X-Number', 5)
		from generate_series(1, $3) n`, b.receiver.URL("/other"), whsec, webhooks)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.setHeaders(hook, map[string]any{"X-Key": "T0KEN"})
	before := value[time.Time](b, "select max(updated_at) from plausible_webhooks.webhooks")
	o := b.options()
	o.Keys = keyring(t, "k")
	b.start(o)
	b.until("all to be encrypted", func() bool {
		return value[int](b, "select count(*) from plausible_webhooks.webhooks where headers ->> 'X-Key' like 'enc1:%'") == webhooks+1
	})
	if got := value[time.Time](b, "select max(updated_at) from plausible_webhooks.webhooks"); !got.Equal(before) {
		t.Error("updated_at was touched")
	}
	if n := value[int](b, "select count(*) from plausible_webhooks.webhooks where headers -> 'X-Number' = '5'"); n != webhooks {
		t.Errorf("%d of %d values that are no text were left as they are", n, webhooks)
	}
	b.enqueue(hook, "{}")
	if got := b.requests("/hook", 1)[0].Header.Get("X-Key"); got != "T0KEN" {
		t.Errorf("got X-Key %q, want what it was", got)
	}
	// What others write while we run is encrypted as well, beside what is.
	b.exec(`update plausible_webhooks.webhooks set headers = headers || '{"X-Late": "T0KEN"}' where id = $1`, hook)
	b.until("the later one to be encrypted", func() bool {
		return value[bool](b, "select headers ->> 'X-Late' like 'enc1:%' from plausible_webhooks.webhooks where id = $1", hook)
	})
	b.enqueue(hook, "{}")
	if got := b.requests("/hook", 2)[1].Header; got.Get("X-Key") != "T0KEN" || got.Get("X-Late") != "T0KEN" {
		t.Errorf("got %v, want both headers", got)
	}
}

func TestHeaderWithoutItsKeyWaits(t *testing.T) {
	b := newBed(t)
	chat := b.webhook(b.receiver.URL("/chat"), nil)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	for _, id := range []int64{chat, hook} {
		b.sealHeaders(id, keyring(t, "a"), "X-Key", "T0KEN")
	}
	id := b.enqueue(hook, "{}")
	b.exec("insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, format, payload) values ($1, 'traffic.spike', 'slack', '{}')", chat)
	o := b.options()
	o.Keys = keyring(t, "b")
	b.start(o)
	// Others go on meanwhile, and the complaint comes once for each webhook.
	other := b.webhook(b.receiver.URL("/other"), whsec)
	for range 3 {
		b.untilStatus(b.enqueue(other, "{}"), sender.StatusDelivered)
	}
	if d := b.show(id); d.Status != sender.StatusPending || d.Attempts != 0 || d.LastError == nil || !strings.Contains(*d.LastError, "waits: header X-Key is encrypted with key ") {
		t.Errorf("got %+v, want it to wait and say why", d)
	}
	if n := strings.Count(b.log.String(), "WEBHOOKS_SECRET_KEY"); n != 2 {
		t.Errorf("got %d complaints in the log, want 2:\n%s", n, b.log)
	}
	if n := len(b.receiver.Requests("/chat")) + len(b.receiver.Requests("/hook")); n != 0 {
		t.Errorf("%d requests went out without their header", n)
	}
	b.sealHeaders(hook, keyring(t, "b"), "x-key", "another")
	b.exec("update plausible_webhooks.webhooks set headers = '{}' where id = $1", chat)
	if d := b.untilStatus(id, sender.StatusDelivered); d.LastError != nil {
		t.Errorf("got %q, want no error left", *d.LastError)
	}
	if got := b.requests("/hook", 1)[0].Header["X-Key"]; len(got) != 1 || got[0] != "another" {
		t.Errorf("got X-Key %v, want the one that was given again", got)
	}
	b.requests("/chat", 1)
}

// A key that is lost between two attempts makes the delivery wait, too.
func TestHeaderThatIsLostBetweenAttempts(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:1"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.Keys = keyring(t, "b")
	o.Retries = 1
	o.RetryWaitMin, o.RetryWaitMax = 500*time.Millisecond, 500*time.Millisecond
	b.start(o)
	b.requests("/hook", 1)
	b.sealHeaders(hook, keyring(t, "a"), "X-Key", "T0KEN")
	b.until("it to wait", func() bool {
		d := b.show(id)
		return d.Status == sender.StatusPending && d.LastError != nil && strings.HasPrefix(*d.LastError, "waits: header X-Key ")
	})
	b.exec("update plausible_webhooks.webhooks set headers = '{}' where id = $1", hook)
	d := b.untilStatus(id, sender.StatusDelivered)
	if got := texts(d.AttemptLog); len(got) != 3 || !strings.HasPrefix(got[1], "2 interrupted: header X-Key ") {
		t.Errorf("got %v, want the second attempt interrupted and no retry used up", got)
	}
}

// Headers are read afresh before each attempt.
func TestChangedHeadersCountAtOnce(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:1"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.setHeaders(hook, map[string]any{"X-Key": "old", "X-Gone": "v"})
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.RetryWaitMin, o.RetryWaitMax = 500*time.Millisecond, 500*time.Millisecond
	b.start(o)
	b.requests("/hook", 1)
	b.setHeaders(hook, map[string]any{"X-Key": "new"})
	b.untilStatus(id, sender.StatusDelivered)
	if got := b.requests("/hook", 2)[1].Header; got.Get("X-Key") != "new" || got.Get("X-Gone") != "" {
		t.Errorf("got %v, want the second attempt with the new headers", got)
	}
}

func TestLogHoldsNoHeader(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Keys = keyring(t, "k")
	o.Retries, o.Timeout = 1, 300*time.Millisecond
	s := b.start(o)
	var ids []string
	for _, behaviour := range []string{"200", "500", "hang", "garbage", "truncate", "302"} {
		b.receiver.Behave("/"+behaviour, receiver.Must(behaviour))
		hook := b.webhook(b.receiver.URL("/"+behaviour), whsec)
		b.setHeaders(hook, map[string]any{"Authorization": "Bearer T0KEN"})
		ids = append(ids, b.enqueue(hook, "{}"))
	}
	b.until("all to be finished", func() bool { return b.count("status = 'pending'") == 0 })
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	everything := b.log.String()
	for _, id := range ids {
		everything += strings.Join(texts(b.show(id).AttemptLog), "\n")
	}
	if strings.Contains(everything, "T0KEN") || !strings.Contains(everything, "attempt failed") {
		t.Errorf("a value is shown, or nothing is:\n%s", everything)
	}
}
