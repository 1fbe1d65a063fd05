package sender_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
