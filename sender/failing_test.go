package sender_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

const (
	day         = 24 * time.Hour
	noAnswer    = 0
	interrupted = -1
	inFlight    = -2
)

// tried logs a delivery of some time ago whose attempts had these answers.
func (b *bed) tried(webhook int64, event string, ago time.Duration, answers ...int) {
	b.t.Helper()
	last := answers[len(answers)-1]
	status, problem := "failed", any("failed")
	switch {
	case last >= 200 && last <= 299:
		status, problem = "delivered", nil
	case last < 0:
		status, problem = "pending", nil
	}
	id := value[string](b, `insert into plausible_webhooks.webhook_deliveries
			(webhook_id, event_type, payload, status, attempts, last_error, inserted_at, finished_at, next_attempt_at)
		values ($1, $2, '{}', $3, $4, $5, now() - $6::interval, case when $3 <> 'pending' then now() - $6::interval + interval '1 minute' end,
			case when $3 = 'pending' then now() + interval '1 hour' end) returning id::text`,
		webhook, event, status, len(answers), problem, ago)
	for i, answer := range answers {
		b.attempted(id, i+1, ago-time.Duration(i)*time.Second, answer)
	}
}

func (b *bed) attempted(delivery string, number int, ago time.Duration, answer int) {
	b.t.Helper()
	var code *int
	var problem *string
	switch answer {
	case noAnswer:
		problem = new("connection refused")
	case interrupted:
		problem = new("interrupted: the sidecar was stopped during this attempt")
	case inFlight:
	default:
		code = &answer
	}
	b.exec(`insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, started_at, status_code, error)
		values ($1, $2, now() - $3::interval, $4, $5)`, delivery, number, ago, code, problem)
}

func (b *bed) look(o sender.Options) {
	b.t.Helper()
	if err := sender.New(o).DisableFailing(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) reason(webhook int64) string {
	b.t.Helper()
	return value[string](b, "select coalesce(disabled_reason, '') from plausible_webhooks.webhooks where id = $1 and enabled = (disabled_reason is null)", webhook)
}

func TestWhenAWebhookIsDisabledAsFailing(t *testing.T) {
	b := newBed(t)
	fails := func(n int) (answers []int) {
		for range n {
			answers = append(answers, 500)
		}
		return answers
	}
	spread := func(hook int64) {
		b.tried(hook, "traffic.spike", 6*day, fails(4)...)
		b.tried(hook, "goal.completed", 4*day, noAnswer, noAnswer, 404, 301)
		b.tried(hook, "traffic.drop", 2*day, fails(2)...)
	}
	tests := map[string]struct {
		history func(hook int64)
		want    string
	}{
		"never used":            {func(int64) {}, ""},
		"spread over days":      {spread, "failing"},
		"first failure too new": {func(hook int64) { b.tried(hook, "traffic.spike", 5*day-time.Minute, fails(10)...); spread2(b, hook) }, ""},
		"nine attempts": {func(hook int64) {
			b.tried(hook, "traffic.spike", 6*day, fails(4)...)
			b.tried(hook, "traffic.spike", 3*day, fails(4)...)
			b.tried(hook, "traffic.spike", 2*day, fails(1)...)
		}, ""},
		"two deliveries": {func(hook int64) {
			b.tried(hook, "traffic.spike", 6*day, fails(8)...)
			b.tried(hook, "traffic.spike", 2*day, fails(8)...)
		}, ""},
		"tests do not fail": {func(hook int64) {
			b.tried(hook, "webhook.test", 6*day, fails(10)...)
			b.tried(hook, "webhook.test", 6*day, fails(10)...)
			b.tried(hook, "traffic.spike", 2*day, fails(10)...)
		}, ""},
		"nor do they succeed": {func(hook int64) {
			spread(hook)
			b.tried(hook, "webhook.test", day, 204)
		}, "failing"},
		"an old success": {func(hook int64) {
			b.tried(hook, "traffic.spike", 7*day, 200)
			spread(hook)
		}, "failing"},
		"a success since the first failure": {func(hook int64) {
			spread(hook)
			b.tried(hook, "traffic.spike", 3*day, 200)
		}, ""},
		"a success among the attempts of a failure": {func(hook int64) {
			spread(hook)
			b.tried(hook, "traffic.spike", 3*day, 500, 200, 500)
		}, ""},
		"the success of an old delivery sent again": {func(hook int64) {
			b.tried(hook, "traffic.spike", 20*day, 500)
			id := value[string](b, "select id::text from plausible_webhooks.webhook_deliveries where webhook_id = $1", hook)
			spread(hook)
			b.attempted(id, 2, day, 200)
		}, ""},
		"interruptions are no failures": {func(hook int64) {
			b.tried(hook, "traffic.spike", 6*day, 500, interrupted, interrupted, interrupted)
			b.tried(hook, "traffic.spike", 4*day, 500, 500, 500, interrupted)
			b.tried(hook, "traffic.spike", day, 500, 500, 500, 500, 500, inFlight)
		}, ""},
		"before it was enabled again": {func(hook int64) {
			spread(hook)
			b.exec("update plausible_webhooks.webhooks set enabled = false where id = $1", hook)
			b.exec("update plausible_webhooks.webhooks set enabled = true where id = $1", hook)
		}, ""},
		"before it was pointed elsewhere": {func(hook int64) {
			spread(hook)
			b.exec("update plausible_webhooks.webhooks set url = 'https://example.com/new' where id = $1", hook)
		}, ""},
		"paused": {func(hook int64) {
			spread(hook)
			b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = null where id = $1", hook)
		}, "paused"},
		"the first failure is forgotten": {func(hook int64) {
			spread(hook)
			b.tried(hook, "traffic.drop", day, fails(6)...)
			b.exec("delete from plausible_webhooks.webhook_deliveries where webhook_id = $1 and inserted_at < now() - interval '5 days'", hook)
		}, ""},
	}
	hooks := map[string]int64{}
	for name, test := range tests {
		hooks[name] = b.webhook("https://example.com/hook", whsec)
		test.history(hooks[name])
	}
	b.look(b.options())
	for name, test := range tests {
		got := value[string](b, "select case when enabled then '' else coalesce(disabled_reason, 'paused') end from plausible_webhooks.webhooks where id = $1", hooks[name])
		if got != test.want {
			t.Errorf("%s: disabled as %q, want %q", name, got, test.want)
		}
	}

	// Two minutes less are asked for: what was too new is old enough, what was too
	// little is not.
	o := b.options()
	o.DisableAfter -= 2 * time.Minute
	b.look(o)
	if got := b.reason(hooks["first failure too new"]); got != "failing" {
		t.Errorf("with two minutes less: disabled as %q, want failing", got)
	}
	if got := b.reason(hooks["nine attempts"]); got != "" {
		t.Errorf("with two minutes less: nine attempts are disabled as %q, want not", got)
	}
	never := b.options()
	never.DisableAfter = 0
	zero := b.webhook("https://example.com/hook", whsec)
	spread(zero)
	b.look(never)
	if got := b.reason(zero); got != "" {
		t.Errorf("with WEBHOOKS_DISABLE_AFTER=0: disabled as %q", got)
	}
}

func spread2(b *bed, hook int64) {
	b.tried(hook, "traffic.spike", 2*day, 500)
	b.tried(hook, "traffic.spike", day, 500)
}

// A log longer than one statement reads.
func TestALongLogIsReadToItsEnd(t *testing.T) {
	b := newBed(t)
	long := func(code int) int64 {
		hook := b.webhook("https://example.com/hook", whsec)
		b.tried(hook, "traffic.spike", 6*day, 500)
		b.tried(hook, "traffic.spike", 6*day-time.Second, code)
		// Of one moment, as a large transaction makes them.
		b.exec(`with made as (
			insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, last_error, inserted_at, finished_at)
			select $1, 'traffic.spike', '{}', 'failed', 'x', now() - interval '4 days', now() - interval '4 days' from generate_series(1, 2100) returning id
		) insert into plausible_webhooks.webhook_delivery_attempts (delivery_id, attempt, started_at, status_code) select id, 1, now() - interval '4 days', 500 from made`, hook)
		return hook
	}
	failed, succeeded := long(500), long(200)
	b.look(b.options())
	if got := b.reason(failed); got != "failing" {
		t.Errorf("failing since the first page of its log: disabled as %q", got)
	}
	if got := b.reason(succeeded); got != "" {
		t.Errorf("first failure too new, after a success: disabled as %q", got)
	}
}

// What the sender itself sees fail is judged without a search of the log, and
// a success in between counts.
func TestFailuresOfThisSender(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/bad", receiver.Must("500"))
	b.receiver.Behave("/mended", receiver.Must("fail:12"))
	bad, mended := b.webhook(b.receiver.URL("/bad"), whsec), b.webhook(b.receiver.URL("/mended"), whsec)
	s := b.start(b.options())
	for _, hook := range []int64{bad, mended} {
		for range 3 {
			b.untilStatus(b.enqueue(hook, "{}"), sender.StatusFailed)
		}
	}
	b.untilStatus(b.enqueue(mended, "{}"), sender.StatusDelivered)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.DisableAfter = time.Millisecond // All of it is older than that.
	b.start(o)
	b.until("the webhook to be disabled", func() bool { return b.reason(bad) == "failing" })
	if got := b.reason(mended); got != "" {
		t.Errorf("one that works again: disabled as %q", got)
	}
}

// Disabled by the system, its firings are kept, and can be sent once it is
// enabled again; what failed before does not count any more.
func TestEnabledAgainAndResent(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	for range 3 {
		b.tried(hook, "traffic.spike", 6*day, 500, 500, 500, 500)
	}
	waiting := b.enqueue(hook, `"waiting"`)
	b.exec("update plausible_webhooks.webhook_deliveries set next_attempt_at = now() + interval '1 hour' where id = $1", waiting)
	// As evaluation records what fires while a webhook is disabled.
	fired := value[string](b, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, next_attempt_at, finished_at, last_error)
		values ($1, 'traffic.drop', '"fired"', 'cancelled', null, now(), 'the webhook is disabled (failing)') returning id::text`, hook)
	b.look(b.options())
	if got := b.show(waiting); b.reason(hook) != "failing" || got.Status != sender.StatusCancelled || *got.LastError != "the webhook is disabled: failing" {
		t.Fatalf("got %+v, want it cancelled with its webhook", got)
	}
	if err := sender.Resend(t.Context(), b.db, waiting); !errors.Is(err, sender.ErrDisabled) {
		t.Errorf("resend while disabled: %v, want ErrDisabled", err)
	}
	if _, err := sender.ResendSince(t.Context(), b.db, hook, time.Now().Add(-7*day), nil); !errors.Is(err, sender.ErrDisabled) {
		t.Errorf("resend since, while disabled: %v, want ErrDisabled", err)
	}
	b.exec("update plausible_webhooks.webhooks set enabled = true where id = $1", hook)
	if err := sender.Resend(t.Context(), b.db, waiting); err != nil {
		t.Fatal(err)
	}
	b.start(b.options())
	b.untilStatus(waiting, sender.StatusDelivered)
	n, err := sender.ResendSince(t.Context(), b.db, hook, time.Now().Add(-7*day), nil)
	if err != nil || n != 4 {
		t.Fatalf("resent %d, %v; want the three that failed and the one that fired meanwhile", n, err)
	}
	b.until("all to be delivered", func() bool { return b.count("webhook_id = $1 and status = 'delivered'", hook) == 5 })
	if d := b.show(fired); d.Attempts != 1 || d.LastError != nil {
		t.Errorf("what fired meanwhile: got %+v, want one attempt", d)
	}
	if got := b.reason(hook); got != "" {
		t.Errorf("enabled again: disabled as %q", got)
	}
	if diff := cmp.Diff(1, strings.Count(b.log.String(), "webhook disabled")); diff != "" {
		t.Errorf("log lines of the disabling (-want +got):\n%s\n%s", diff, b.log)
	}
}
