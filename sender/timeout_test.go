package sender_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

func (b *bed) setTimeout(hook int64, seconds any) {
	b.t.Helper()
	b.exec("update plausible_webhooks.webhooks set timeout_seconds = $2 where id = $1", hook, seconds)
}

func TestTimeoutOfAWebhook(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hang", receiver.Must("hang"))
	b.receiver.Behave("/drip", receiver.Must("drip"))
	b.receiver.Behave("/slow", receiver.Must("slow:1500ms"))
	short, dripping := b.webhook(b.receiver.URL("/hang"), whsec), b.webhook(b.receiver.URL("/drip"), whsec)
	long, usual := b.webhook(b.receiver.URL("/slow"), whsec), b.webhook(b.receiver.URL("/slow"), whsec)
	b.setTimeout(short, 1)
	b.setTimeout(dripping, 1)
	b.setTimeout(long, 10)
	o := b.options()
	o.Timeout, o.Retries = 200*time.Millisecond, 0
	b.start(o)
	ids := map[int64]string{}
	for _, hook := range []int64{short, dripping, long, usual} {
		ids[hook] = b.enqueue(hook, "{}")
	}
	for _, test := range []struct {
		hook            int64
		status, problem string
		least           int
	}{
		{short, sender.StatusFailed, "no answer within 1s", 1000},
		{dripping, sender.StatusDelivered, "the answer's body did not end within 1s", 1000},
		{long, sender.StatusDelivered, "", 1500},
		{usual, sender.StatusFailed, "no answer within 200ms", 200},
	} {
		d := b.untilStatus(ids[test.hook], test.status)
		problem := ""
		if d.LastError != nil {
			problem = *d.LastError
		}
		if took := *d.AttemptLog[0].DurationMS; problem != test.problem || took < test.least || took > test.least+5000 {
			t.Errorf("got %q after %d ms, want %q after %d and little more", problem, took, test.problem, test.least)
		}
	}
}

// A timeout is read afresh before each attempt.
func TestChangedTimeoutCountsAtOnce(t *testing.T) {
	b := newBed(t)
	b.receiver.Behave("/hook", receiver.Must("slow:1200ms"))
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.setTimeout(hook, 1)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.RetryWaitMin, o.RetryWaitMax = 500*time.Millisecond, 500*time.Millisecond
	b.start(o)
	b.requests("/hook", 1)
	b.setTimeout(hook, nil)
	if d := b.untilStatus(id, sender.StatusDelivered); len(d.AttemptLog) != 2 || !strings.HasPrefix(texts(d.AttemptLog)[0], "1 no answer within 1s") {
		t.Errorf("got %v, want a second attempt with WEBHOOKS_TIMEOUT", texts(d.AttemptLog))
	}
}

// silent accepts connections and says nothing: the TLS handshake hangs.
func silent(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// The timeout is that of connection and handshake, too, whether it is longer
// or shorter than WEBHOOKS_TIMEOUT.
func TestTimeoutBoundsTheHandshake(t *testing.T) {
	b := newBed(t)
	address := silent(t)
	short, long := b.webhook("https://"+address+"/", whsec), b.webhook("https://"+address+"/", whsec)
	b.setTimeout(short, 1)
	b.setTimeout(long, 2)
	o := b.options()
	o.Timeout, o.Retries = 1300*time.Millisecond, 0
	b.start(o)
	first, second := b.enqueue(short, "{}"), b.enqueue(long, "{}")
	for id, seconds := range map[string]int{first: 1, second: 2} {
		d := b.untilStatus(id, sender.StatusFailed)
		want := fmt.Sprintf("1 no connection within %ds", seconds)
		if took := *d.AttemptLog[0].DurationMS; texts(d.AttemptLog)[0] != want || took < 1000*seconds || took > 1000*seconds+5000 {
			t.Errorf("got %v after %d ms, want %q", texts(d.AttemptLog), took, want)
		}
	}
}
