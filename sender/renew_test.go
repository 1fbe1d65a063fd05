package sender_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// shortLease is what the tests of this file wait for instead of 20 s: long
// enough that renewals, a quarter of it each, come in time on a busy machine.
const shortLease = 3 * time.Second

// brief makes a sender's claims short.
func brief(s *sender.Sender) { s.Lease(shortLease) }

// longest is the longest timeout that a webhook may have, in seconds.
const longest = 30

// throughProxy has a sender's connections to the database go through a proxy.
func (b *bed) throughProxy(o *sender.Options) *faulty.Proxy {
	b.t.Helper()
	config := b.db.Config().Copy()
	proxy, err := faulty.Start(net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(proxy.Stop)
	address := netip.MustParseAddrPort(proxy.Addr())
	config.ConnConfig.Host, config.ConnConfig.Port = address.Addr().String(), address.Port()
	config.ConnConfig.ConnectTimeout = shortLease
	if o.DB, err = pgxpool.NewWithConfig(b.t.Context(), config); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(o.DB.Close)
	return proxy
}

// hanging holds the first requests until the client goes, and accepts later
// ones. It tells whether two were there at once.
type hanging struct {
	*httptest.Server
	arrived chan struct{} // One value for each request.
	left    chan struct{} // One for each client that went.

	mu            sync.Mutex
	hang          int
	now, together int
}

func newHanging(t *testing.T, first int) *hanging {
	h := &hanging{hang: first, arrived: make(chan struct{}, 100), left: make(chan struct{}, 100)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hanging) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // Until it is read, nothing tells that the client goes.
	h.mu.Lock()
	hang := h.hang > 0
	h.hang--
	h.now++
	h.together = max(h.together, h.now)
	h.mu.Unlock()
	h.arrived <- struct{}{}
	if hang {
		<-r.Context().Done()
	}
	h.mu.Lock()
	h.now--
	h.mu.Unlock()
	if hang {
		h.left <- struct{}{}
	}
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s: not within %s", what, patience)
	}
}

// An attempt may take longer than a lease; nobody takes it over meanwhile.
func TestLongAttemptKeepsItsClaim(t *testing.T) {
	t.Parallel() // It waits most of the time.
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("slow:"+(2*shortLease).String()))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.setTimeout(hook, longest)
	id := b.enqueue(hook, "{}")
	b.start(b.options(), brief)
	b.start(b.options(), brief)
	d := b.untilStatus(id, sender.StatusDelivered)
	if diff := cmp.Diff([]string{"1 200"}, texts(d.AttemptLog)); diff != "" || len(b.receiver.Requests("/hook")) != 1 {
		t.Errorf("%s; %d requests, want 1", diff, len(b.receiver.Requests("/hook")))
	}
}

// A crash is found out as soon, however long attempts may take.
func TestTimeoutDoesNotProlongAClaim(t *testing.T) {
	b := newBed(t)
	h := newHanging(t, 1)
	hook := b.webhook(h.URL, whsec)
	b.setTimeout(hook, longest)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.Timeout = longest * time.Second
	s := b.start(o)
	await(t, "the request", h.arrived)
	s.Kill()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// With its renewals, it was made or renewed at most now.
	if left := time.Until(*b.show(id).ClaimedUntil); left > 25*time.Second {
		t.Errorf("the claim of a sender that crashed holds for %s, want so little that it is taken over within 30 s", left)
	}
}

// A sender that the database does not hear of loses its claims; it ends the
// attempt before anybody else can begin another.
func TestAttemptEndsWithItsClaim(t *testing.T) {
	t.Parallel() // It waits most of the time.
	b := newBed(t)
	h := newHanging(t, 1)
	hook := b.webhook(h.URL, whsec)
	b.setTimeout(hook, longest)
	id := b.enqueue(hook, "{}")
	cutOff := b.options()
	proxy := b.throughProxy(&cutOff)
	b.start(cutOff, brief)
	await(t, "the first request", h.arrived)
	proxy.Freeze()
	b.start(b.options(), brief)
	await(t, "the end of the first request", h.left)
	d := b.untilStatus(id, sender.StatusDelivered)
	await(t, "the second request", h.arrived)
	if h.together != 1 {
		t.Errorf("%d requests of the delivery were there at once, want one after the other", h.together)
	}
	proxy.Thaw()
	b.until("the sender that was cut off to tell of its attempt", func() bool {
		d = b.show(id)
		return strings.HasPrefix(texts(d.AttemptLog)[0], "1 interrupted: the claim could not be renewed in the database")
	})
	if got := texts(d.AttemptLog); d.Status != sender.StatusDelivered || len(got) != 2 || got[1] != "2 200" {
		t.Errorf("got %s after %v, want it delivered by the second attempt", d.Status, got)
	}
	if n := len(h.arrived); n != 0 {
		t.Errorf("%d requests more than two", n)
	}
}

// What came of an attempt while the database was away is recorded when it is
// back, and not sent again because the claim lapsed meanwhile.
func TestOutageLongerThanALeaseRepeatsNothing(t *testing.T) {
	t.Parallel() // It waits most of the time.
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("slow:"+(shortLease/4).String()))
	id := b.enqueue(b.webhook(b.receiver.URL("/hook"), whsec), "{}")
	o := b.options()
	proxy := b.throughProxy(&o)
	b.start(o, brief)
	b.requests("/hook", 1)
	proxy.Refuse()
	proxy.Cut()
	b.until("the claim to lapse", func() bool {
		return value[bool](b, "select claimed_until < now() from plausible_webhooks.webhook_deliveries where id = $1", id)
	})
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	d := b.untilStatus(id, sender.StatusDelivered)
	if diff := cmp.Diff([]string{"1 200"}, texts(d.AttemptLog)); diff != "" || len(b.receiver.Requests("/hook")) != 1 {
		t.Errorf("%s; %d requests, want 1", diff, len(b.receiver.Requests("/hook")))
	}
}

// Connections that hang, as those that a firewall has forgotten, are given up.
func TestStrandedConnectionsAreGivenUp(t *testing.T) {
	t.Parallel() // It waits most of the time.
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	o := b.options()
	proxy := b.throughProxy(&o)
	b.start(o, brief)
	b.untilStatus(b.enqueue(hook, "{}"), sender.StatusDelivered)
	proxy.Strand()
	b.untilStatus(b.enqueue(hook, "{}"), sender.StatusDelivered)
}

// A crash may be followed by a resend before the claim is taken over: the
// attempt that the crash left open is closed all the same.
func TestResendAfterACrashLeavesNoOpenAttempt(t *testing.T) {
	b := newBed(t)
	h := newHanging(t, 1)
	id := b.enqueue(b.webhook(h.URL, whsec), "{}")
	s := b.start(b.options())
	await(t, "the request", h.arrived)
	s.Kill()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// Time passes, for this row.
	b.exec("update plausible_webhooks.webhook_deliveries set claimed_until = now() - interval '1 second' where id = $1", id)
	if err := sender.Resend(t.Context(), b.db, id); err != nil {
		t.Fatal(err)
	}
	b.start(b.options())
	d := b.untilStatus(id, sender.StatusDelivered)
	want := []string{"1 interrupted: the sidecar ended without completing this attempt", "2 200"}
	if diff := cmp.Diff(want, texts(d.AttemptLog)); diff != "" {
		t.Error(diff)
	}
}
