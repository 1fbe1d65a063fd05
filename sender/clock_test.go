package sender_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// A sidecar whose clock is months ahead takes no delivery for old and no
// webhook for long broken that is not, and one whose clock is behind misses
// none: what is old is told by the clock that dated it, the database's.
func TestWhatIsOldIsToldByTheDatabase(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead": 90 * day, "behind": -90 * day} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			o := b.options()
			o.Now = func() time.Time { return time.Now().Add(off) }

			kept := b.webhook("https://example.com/", whsec)
			b.logged(kept, "delivered", 3, 29*day)
			b.logged(kept, "delivered", 5, 31*day)
			b.purge(sender.New(o))
			if diff := cmp.Diff(map[string]int{"delivered": 3, "failed": 0, "cancelled": 0, "pending": 0, "attempts": 3}, b.statuses()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}

			short, long := b.webhook("https://example.com/", whsec), b.webhook("https://example.com/", whsec)
			for range 3 {
				b.tried(short, "traffic.spike", 4*day, 500, 500, 500, 500)
				b.tried(long, "traffic.spike", 6*day, 500, 500, 500, 500)
			}
			b.look(o)
			if got := b.reason(short); got != "" {
				t.Errorf("failing for four days: disabled as %q, want not yet", got)
			}
			if got := b.reason(long); got != "failing" {
				t.Errorf("failing for six days: disabled as %q, want failing", got)
			}
		})
	}
}

// The database's clock steps by hours, as its sidecar sees it: all that it has
// dated moves the other way. Deliveries are in flight, wait for a retry and wait
// to be claimed meanwhile. New ones are sent at once; the clock right again, so
// are all, and none is lost.
func TestTheClockOfTheDatabaseSteps(t *testing.T) {
	for name, step := range map[string]time.Duration{"forth": 2 * time.Hour, "back": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.receiver.Behave("/slow", receiver.Must("slow:300ms"))
			b.receiver.Behave("/failing", receiver.Must("fail:3:503"), receiver.Accept)
			o := b.options()
			o.RetryWaitMin, o.RetryWaitMax = time.Second, time.Second
			s := b.start(o)
			slow, failing := b.webhook(b.receiver.URL("/slow"), whsec), b.webhook(b.receiver.URL("/failing"), whsec)
			b.enqueueMany(slow, 60) // More than are held at once.
			b.enqueueMany(failing, 3)
			b.until("some in flight, some that failed", func() bool {
				return len(b.receiver.Requests("/slow")) > 0 && len(b.receiver.Requests("/failing")) > 0
			})
			b.stepped(step)
			fresh := b.webhook(b.receiver.URL("/fresh"), whsec)
			b.untilStatus(b.enqueue(fresh, "{}"), sender.StatusDelivered)
			b.stepped(-step)
			b.until("all to be delivered", func() bool { return b.count("status = 'delivered'") == 64 })
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]int{"/slow": 60, "/failing": 3, "/fresh": 1} {
				arrived := map[string]bool{}
				for _, request := range b.receiver.Requests(path) {
					arrived[request.Header.Get("webhook-id")] = true
				}
				if len(arrived) != want {
					t.Errorf("%d deliveries arrived at %s, want %d", len(arrived), path, want)
				}
			}
		})
	}
}

// stepped is what a step of the database's clock amounts to.
func (b *bed) stepped(by time.Duration) {
	b.t.Helper()
	b.exec(`with attempts as (update plausible_webhooks.webhook_delivery_attempts set started_at = started_at - $1::interval)
		update plausible_webhooks.webhook_deliveries set inserted_at = inserted_at - $1::interval, next_attempt_at = next_attempt_at - $1::interval,
			claimed_until = claimed_until - $1::interval, finished_at = finished_at - $1::interval`, by)
}
