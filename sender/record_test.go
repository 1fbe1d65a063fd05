package sender_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plausible-webhooks/sender"
)

// When a request arrives, its attempt is in the log already, open, with the
// number that its delivery has reached.
func TestAttemptIsLoggedBeforeItsRequest(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		var number int
		var open bool
		err := b.db.QueryRow(r.Context(), `select attempt, a.duration_ms is null and a.status_code is null and a.error is null and d.claimed_until > now()
			from plausible_webhooks.webhook_deliveries d join plausible_webhooks.webhook_delivery_attempts a
			on a.delivery_id = d.id and a.attempt = d.attempts where d.id = $1::uuid`, r.Header.Get("webhook-id")).Scan(&number, &open)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("attempt %d, open and claimed %t, %v", number, open, err))
		if len(seen) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	id := b.enqueue(b.webhook(server.URL, whsec), "{}")
	b.start(b.options())
	b.untilStatus(id, sender.StatusDelivered)
	mu.Lock()
	defer mu.Unlock()
	want := []string{"attempt 1, open and claimed true, <nil>", "attempt 2, open and claimed true, <nil>", "attempt 3, open and claimed true, <nil>"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}
