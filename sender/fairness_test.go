package sender_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

// doors is a receiver whose requests wait at the door until the test lets
// them in, so that tests see what is in flight. The first part of the path
// names the door; /open is never shut.
type doors struct {
	*httptest.Server
	arrived chan string // The path of each request that waits.

	mu          sync.Mutex
	inside      map[string]int // Requests in flight, by path; under "" all.
	most        map[string]int
	connections int // Opened so far.
	leave       chan struct{}
}

func newDoors(t *testing.T) *doors {
	d := &doors{arrived: make(chan string, 4096), inside: map[string]int{}, most: map[string]int{}, leave: make(chan struct{})}
	d.Server = httptest.NewUnstartedServer(d)
	d.Config.ErrorLog = log.New(io.Discard, "", 0)
	d.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.connections++
		}
	}
	d.Start()
	t.Cleanup(func() {
		close(d.leave)
		d.CloseClientConnections()
		d.Close()
	})
	return d
}

func (d *doors) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	for _, name := range []string{"", req.URL.Path} {
		d.count(name, 1)
		defer d.count(name, -1)
	}
	switch {
	case strings.HasPrefix(req.URL.Path, "/open"):
	case strings.HasPrefix(req.URL.Path, "/fail"):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		d.arrived <- req.URL.Path
		select {
		case <-d.leave:
		case <-req.Context().Done():
		}
	}
}

func (d *doors) count(name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside[name] += n
	d.most[name] = max(d.most[name], d.inside[name])
}

func (d *doors) mostInside(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most[name]
}

func (d *doors) opened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connections
}

// wait returns once so many requests wait at doors.
func (d *doors) wait(t *testing.T, n int) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for i := range n {
		select {
		case <-d.arrived:
		case <-timer.C:
			t.Fatalf("got %d requests that wait, want %d", i, n)
		}
	}
}

// patient makes no attempt end by itself, nor anything be tried again.
func (b *bed) patient(concurrency, perWebhook int) sender.Options {
	o := b.options()
	o.Timeout, o.Retries = time.Minute, 0
	o.Concurrency, o.ConcurrencyPerWebhook = concurrency, perWebhook
	return o
}

// The bounds of attempts in flight hold, and what is in flight is all that
// they allow to webhooks that were never tried.
func TestConcurrencyIsBounded(t *testing.T) {
	b, d := newBed(t), newDoors(t)
	good := b.webhook(d.URL+"/open", whsec)
	first := b.enqueue(good, "{}")
	s := b.start(b.patient(8, 3))
	b.untilStatus(first, sender.StatusDelivered)
	for i := range 5 {
		b.enqueueMany(b.webhook(d.URL+fmt.Sprintf("/hang/%d", i), whsec), 50)
	}
	d.wait(t, 6) // A quarter is left to webhooks that do well.
	b.enqueueMany(good, 100)
	b.until("the good webhook's to be delivered", func() bool { return b.count("webhook_id = $1 and status = 'delivered'", good) == 101 })
	for i := range 5 {
		if got := d.mostInside(fmt.Sprintf("/hang/%d", i)); got > 3 {
			t.Errorf("got %d attempts in flight to one webhook, want at most 3", got)
		}
	}
	if got := d.mostInside(""); got > 8 {
		t.Errorf("got %d attempts in flight, want at most 8", got)
	}
	s.Kill()
}

// Webhooks that have failed share half of the attempts in flight, however many
// they are, and the others go on.
func TestFailingWebhooksShareHalf(t *testing.T) {
	b, d := newBed(t), newDoors(t)
	o := b.patient(8, 4)
	var bad []int64
	for i := range 6 {
		bad = append(bad, b.webhook(d.URL+fmt.Sprintf("/fail/%d", i), whsec))
		b.enqueueMany(bad[i], 1)
	}
	good := b.webhook(d.URL+"/open", whsec)
	b.enqueueMany(good, 1)
	s := b.start(o)
	b.until("every webhook to be tried", func() bool { return b.count("status in ('failed', 'delivered')") == 7 })
	b.exec("update plausible_webhooks.webhooks set url = replace(url, '/fail/', '/hang/') where id = any ($1)", bad)
	for _, hook := range bad {
		b.enqueueMany(hook, 100)
	}
	d.wait(t, 4)
	b.enqueueMany(good, 200)
	b.until("the good webhook's to be delivered", func() bool { return b.count("webhook_id = $1 and status = 'delivered'", good) == 201 })
	select {
	case path := <-d.arrived:
		t.Errorf("a fifth attempt is in flight to webhooks that have failed: %s", path)
	default:
	}
	if n := b.count("claimed_until > now()"); n > 6*8 {
		t.Errorf("got %d rows claimed, want few", n)
	}
	s.Kill()
}

// A backlog neither starves another webhook nor is held in memory, and nothing
// reads all of it.
func TestBacklogStarvesNobody(t *testing.T) {
	b := newBed(t)
	d := newDoors(t)
	full, other := b.webhook(d.URL+"/hang/full", whsec), b.webhook(d.URL+"/open/other", whsec)
	b.enqueueMany(full, 20_000)
	b.enqueueMany(other, 5)
	s := b.start(b.patient(sender.Defaults().Concurrency, sender.Defaults().ConcurrencyPerWebhook))
	b.until("the other webhook's to be delivered", func() bool { return b.count("webhook_id = $1 and status = 'delivered'", other) == 5 })
	d.wait(t, 4)
	if n := b.count("webhook_id = $1 and claimed_until > now()", full); n > 32 {
		t.Errorf("got %d rows of the backlog claimed, want few", n)
	}
	s.Kill()
}

// A webhook of which nobody knows has its turn although many hang.
func TestNewWebhookBesideManyThatHang(t *testing.T) {
	b, d := newBed(t), newDoors(t)
	o := b.patient(16, 4)
	o.PollInterval = time.Hour
	const hanging = 40
	var bad []int64
	for i := range hanging {
		bad = append(bad, b.webhook(d.URL+fmt.Sprintf("/fail/%d", i), whsec))
		b.enqueueMany(bad[i], 1)
	}
	s := b.start(o)
	b.until("every webhook to be tried", func() bool { return b.count("status = 'failed'") == hanging })
	b.exec("update plausible_webhooks.webhooks set url = replace(url, '/fail/', '/hang/')")
	for _, hook := range bad {
		b.enqueueMany(hook, 20)
	}
	d.wait(t, 8)
	b.until("their share to be claimed", func() bool { return b.count("claimed_until > now()") >= 16 })
	id := b.enqueue(b.webhook(d.URL+"/open", whsec), "{}")
	b.untilStatus(id, sender.StatusDelivered)
	s.Kill()
}

// Connections outlive the failures of others, whose rounds end all the while:
// go-retryablehttp closes what is idle then.
func TestFailuresCloseNoConnectionOfOthers(t *testing.T) {
	b, d := newBed(t), newDoors(t)
	b.receiver.Behave("/bad", receiver.Must("500"))
	good, bad := b.webhook(d.URL+"/open", whsec), b.webhook(b.receiver.URL("/bad"), whsec)
	o := b.options()
	o.Retries = 1
	b.start(o)
	for range 20 {
		failing := b.enqueue(bad, "{}")
		b.untilStatus(failing, sender.StatusFailed)
		b.untilStatus(b.enqueue(good, "{}"), sender.StatusDelivered)
	}
	// A connection may time out between two, on a machine that is very busy.
	if got := d.opened(); got > 5 {
		t.Errorf("got %d connections for 20 deliveries, want one that is kept", got)
	}
	if _, err := b.receiver.Wait(context.Background(), "/bad", 40); err != nil {
		t.Error(err)
	}
}
