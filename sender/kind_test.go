package sender_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// told collects what a sender tells of attempts.
type told struct {
	mu  sync.Mutex
	all []sender.Attempted
}

func (t *told) attempted(a sender.Attempted) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, a)
}

func (t *told) take() []sender.Attempted {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.all
	t.all = nil
	return all
}

func TestAttemptsAreToldByKind(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries, o.Timeout = 0, 500*time.Millisecond
	var heard told
	o.Attempted = heard.attempted
	for _, more := range []string{"nowhere.invalid", "127.0.0.1:1"} { // Not refused by us before anything is tried.
		allowed, err := target.ParseAllowed(more)
		if err != nil {
			t.Fatal(err)
		}
		o.Rules.AllowedTargets = append(o.Rules.AllowedTargets, allowed)
	}
	b.start(o)
	kinds := sender.Kinds()
	for _, test := range []struct {
		name, behaviour, url string
		want                 sender.Kind
	}{
		{"accepted", "200", "", sender.KindDelivered},
		{"redirect", "307:https://example.com/", "", sender.KindRedirect},
		{"bad request", "400", "", sender.KindClientError},
		{"throttled", "429", "", sender.KindThrottled},
		{"broken", "503", "", sender.KindServerError},
		{"hanging", "hang", "", sender.KindTimeout},
		{"closed", "empty", "", sender.KindClosed},
		{"no HTTP", "garbage", "", sender.KindProtocol},
		{"nothing listens", "", "https://127.0.0.1:1/", sender.KindRefused},
		{"no such name", "", "https://nowhere.invalid/", sender.KindDNS},
		{"not allowed", "", "https://10.1.2.3/", sender.KindBlocked},
		{"no URL", "", "::", sender.KindInvalid},
		{"gone", "410", "", sender.KindGone}, // The last one: the others are told of it.
	} {
		t.Run(test.name, func(t *testing.T) {
			b := *b
			b.t = t
			url := test.url
			if url == "" {
				url = b.receiver.URL("/" + string(test.want))
				b.receiver.Behave("/"+string(test.want), receiver.Must(test.behaviour))
			}
			id := b.enqueue(b.webhook(url, whsec), "{}")
			b.until("an attempt", func() bool { return b.show(id).FinishedAt != nil })
			all := heard.take()
			if test.want == sender.KindGone && len(all) > 1 {
				all = all[:1] // The others have been told of it already.
			}
			if len(all) != 1 || all[0].Kind != test.want || !slices.Contains(kinds, test.want) {
				t.Fatalf("told %+v, want one %s; attempts %q", all, test.want, texts(b.show(id).AttemptLog))
			}
			if arrived := all[0].Age > 0; arrived != (test.want == sender.KindDelivered) || all[0].Age > patience {
				t.Errorf("arrived after %v", all[0].Age)
			}
		})
	}
}

// How long a delivery took is told of its first round only: a resend of last
// week's would be a week.
func TestLatencyIsOfTheFirstRound(t *testing.T) {
	b := newBed(t)
	o := b.options()
	var heard told
	o.Attempted = heard.attempted
	b.receiver.Behave("/hook", receiver.Must("fail:2"), receiver.Must("200"))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	b.exec("update plausible_webhooks.webhook_deliveries set inserted_at = now() - interval '3 seconds'")
	b.start(o)
	b.untilStatus(id, sender.StatusDelivered)
	all := heard.take()
	if len(all) != 3 || all[0].Age != 0 || all[2].Age < 3*time.Second || all[2].Age > patience {
		t.Errorf("told %+v; want two failures and a success after more than 3 s", all)
	}
	b.exec("update plausible_webhooks.webhook_deliveries set status = 'pending', next_attempt_at = now(), finished_at = null, round_attempts = 0, failed_rounds = 0")
	b.untilStatus(id, sender.StatusDelivered)
	if all := heard.take(); len(all) != 1 || all[0].Kind != sender.KindDelivered || all[0].Age != 0 {
		t.Errorf("a resend told %+v; want one without an age", all)
	}
}
