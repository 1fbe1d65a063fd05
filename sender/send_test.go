package sender_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// bodySignature is the independent computation of X-Webhook-Signature.
func bodySignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func verifyStandard(t *testing.T, secret string, request receiver.Request) {
	t.Helper()
	oracle, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.Verify(request.Body, request.Header); err != nil {
		t.Errorf("Standard Webhooks library: %v", err)
	}
}

func TestRequestIsSigned(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook?x=1"), whsec)
	payload := `{"type":"traffic.spike","name":"Grüße"}`
	id := b.enqueue(hook, payload)
	b.start(b.options())
	d := b.untilStatus(id, sender.StatusDelivered)

	request := b.requests("/hook", 1)[0]
	if got := string(request.Body); got != payload {
		t.Errorf("got body %q, want the payload's exact bytes", got)
	}
	verifyStandard(t, whsec, request)
	if got, want := request.Header.Get("X-Webhook-Signature"), bodySignature(whsec, request.Body); got != want {
		t.Errorf("got X-Webhook-Signature %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "plausible-webhooks/1.2.3", "X-Webhook-Event": "traffic.spike",
		"Webhook-Id": id, "Accept-Encoding": "",
	} {
		if got := request.Header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if request.Method != "POST" || !request.TLS {
		t.Errorf("got %s, TLS %t, want a POST by https", request.Method, request.TLS)
	}
	if d.Attempts != 1 || d.FinishedAt == nil || d.NextAttemptAt != nil || d.ClaimedUntil != nil || d.LastError != nil || *d.LastStatusCode != 200 {
		t.Errorf("got %+v, want one attempt, finished, nothing claimed", d)
	}
	a := d.AttemptLog[0]
	if len(d.AttemptLog) != 1 || a.Attempt != 1 || *a.StatusCode != 200 || a.DurationMS == nil || a.Error != nil {
		t.Errorf("got attempts %+v, want one with status 200", d.AttemptLog)
	}
}

// This one is in real time: 1, 2 and 4 s, as deploy/REFERENCE.md section 1 says.
func TestFailsThreeTimesThenAccepts(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:3"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	o := b.options()
	o.RetryWaitMin, o.RetryWaitMax = sender.Defaults().RetryWaitMin, sender.Defaults().RetryWaitMax
	b.start(o)
	d := b.untilStatus(id, sender.StatusDelivered)
	want := []string{"1 500 answered 500 Internal Server Error", "2 500 answered 500 Internal Server Error", "3 500 answered 500 Internal Server Error", "4 200"}
	if diff := cmp.Diff(want, texts(d.AttemptLog)); diff != "" {
		t.Error(diff)
	}
	requests := b.requests("/hook", 4)
	for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		// A tenth more, and what a busy machine adds.
		if got := requests[i+1].At.Sub(requests[i].At); got < wait || got > wait+wait/10+300*time.Millisecond {
			t.Errorf("got %s before retry %d, want %s", got, i+1, wait)
		}
		verifyStandard(t, whsec, requests[i])
	}
	first, last := requests[0].Header, requests[3].Header
	if first.Get("Webhook-Id") != last.Get("Webhook-Id") {
		t.Error("webhook-id changed between attempts")
	}
	if first.Get("Webhook-Timestamp") == last.Get("Webhook-Timestamp") {
		t.Error("webhook-timestamp is the first attempt's")
	}
}

func TestAlwaysFailing(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("500"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	b.start(b.options())
	d := b.untilStatus(id, sender.StatusFailed)
	if len(d.AttemptLog) != 4 || d.Attempts != 4 || *d.LastStatusCode != 500 || d.FinishedAt == nil || d.NextAttemptAt != nil {
		t.Errorf("got %+v, want failed after four attempts", d)
	}
}

func TestGoneDisablesTheWebhook(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("410"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	first := b.enqueue(hook, "{}")
	later := b.enqueue(hook, "{}")
	b.exec("update plausible_webhooks.webhook_deliveries set next_attempt_at = now() + interval '1 hour' where id = $1", later)
	b.start(b.options())
	d := b.untilStatus(first, sender.StatusFailed)
	if len(d.AttemptLog) != 1 {
		t.Errorf("got %d attempts, want 410 not retried", len(d.AttemptLog))
	}
	if got := b.untilStatus(later, sender.StatusCancelled); got.LastError == nil || *got.LastError != "the webhook is disabled: gone" {
		t.Errorf("got %+v, want the reason", got)
	}
	want := map[string]any{"enabled": false, "disabled_reason": "gone"}
	if diff := cmp.Diff(want, b.row("select enabled, disabled_reason from plausible_webhooks.webhooks where id = $1", hook)); diff != "" {
		t.Error(diff)
	}
	if err := sender.Resend(t.Context(), b.db, first); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("resend to a disabled webhook: got %v, want an error that says so", err)
	}
}

func TestRedirectsAreFailures(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries = 0
	b.start(o)
	for _, code := range []string{"301", "302", "303", "307", "308"} {
		b.receiver.Behave("/"+code, receiver.Must(code+":"+b.receiver.URL("/elsewhere")))
		d := b.untilStatus(b.enqueue(b.webhook(b.receiver.URL("/"+code), whsec), "{}"), sender.StatusFailed)
		if len(d.AttemptLog) != 1 || d.LastError == nil || !strings.Contains(*d.LastError, "redirects are not followed") || strings.Contains(*d.LastError, "elsewhere") {
			t.Errorf("%s: got %v, want a failure that names no location", code, texts(d.AttemptLog))
		}
	}
	if got := b.receiver.Requests("/elsewhere"); len(got) != 0 {
		t.Errorf("a redirect was followed: %v", got)
	}
}

func TestOddAnswers(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries, o.Timeout = 0, 300*time.Millisecond
	b.start(o)
	for _, test := range []struct{ behaviour, status, problem string }{
		{"hang", sender.StatusFailed, "no answer within 300ms"},
		{"empty", sender.StatusFailed, "the receiver closed the connection without an answer"},
		{"garbage", sender.StatusFailed, "the answer is not usable HTTP: "},
		{"drip", sender.StatusDelivered, "the answer's body did not end within 300ms"},
		{"endless", sender.StatusDelivered, "the answer's body is longer than 64 KiB; the rest was not read"},
		{"truncate", sender.StatusDelivered, "the answer's body was cut short"},
		{"204", sender.StatusDelivered, ""},
		{"304", sender.StatusFailed, "answered 304 Not Modified"},
		{"404", sender.StatusFailed, "answered 404 Not Found"},
	} {
		b.receiver.Behave("/"+test.behaviour, receiver.Must(test.behaviour))
		id := b.enqueue(b.webhook(b.receiver.URL("/"+test.behaviour), whsec), "{}")
		d := b.untilStatus(id, test.status)
		problem := ""
		if d.LastError != nil {
			problem = *d.LastError
		}
		if len(d.AttemptLog) != 1 || !strings.HasPrefix(problem, test.problem) || problem != "" && test.problem == "" {
			t.Errorf("%s: got %q, want %q; %v", test.behaviour, problem, test.problem, texts(d.AttemptLog))
		}
	}
}

func TestRedelivery(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:5"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.Retries, o.Redelivery = 1, []time.Duration{20 * time.Millisecond, time.Hour}
	b.start(o)
	// Two rounds of two attempts fail; the third one is an hour away.
	b.until("the second round to fail", func() bool {
		return value[int](b, "select failed_rounds from plausible_webhooks.webhook_deliveries where id = $1", id) == 2
	})
	d := b.show(id)
	if d.Status != sender.StatusPending || d.Attempts != 4 || time.Until(*d.NextAttemptAt) < 59*time.Minute {
		t.Fatalf("got %+v, want it to wait an hour after four attempts", d)
	}
	// A resend is now and has all rounds before it again.
	if err := sender.Resend(t.Context(), b.db, id); err != nil {
		t.Fatal(err)
	}
	d = b.untilStatus(id, sender.StatusDelivered)
	if d.Attempts != 6 || len(b.requests("/hook", 6)) != 6 {
		t.Errorf("got %d attempts, want numbers that go on to 6", d.Attempts)
	}
}

func TestResend(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("fail:2:404"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	o := b.options()
	o.Retries = 1
	s := b.start(o)
	id := b.enqueue(hook, `{"a":1}`)
	b.untilStatus(id, sender.StatusFailed)
	n, err := sender.ResendSince(t.Context(), b.db, hook, time.Now().Add(-time.Minute), nil)
	if err != nil || n != 1 {
		t.Fatalf("resend since: got %d, %v, want 1", n, err)
	}
	s.Wake()
	d := b.untilStatus(id, sender.StatusDelivered)
	if diff := cmp.Diff([]string{"1 404 answered 404 Not Found", "2 404 answered 404 Not Found", "3 200"}, texts(d.AttemptLog)); diff != "" {
		t.Error(diff)
	}
	requests := b.requests("/hook", 3)
	if requests[2].Header.Get("Webhook-Id") != id || string(requests[2].Body) != `{"a":1}` {
		t.Error("the resent request has another id or body")
	}
}
