package schema

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Notices tell which webhooks have something new, and nothing else does.
func TestInsertsAreAnnounced(t *testing.T) {
	conn := migrated(t)
	first, second := insertWebhook(t, conn), insertWebhook(t, conn)
	exec(t, conn, "listen plausible_webhooks_due")
	const insert = "insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status) select $1, 'goal.completed', '{}', $2 from generate_series(1, 3)"
	exec(t, conn, insert, first, "cancelled")
	exec(t, conn, "begin")
	exec(t, conn, insert, first, "pending")
	exec(t, conn, "rollback")
	exec(t, conn, insert, second, "pending")
	exec(t, conn, "begin")
	exec(t, conn, insert, first, "pending")
	exec(t, conn, insert, first, "pending")
	exec(t, conn, "commit")
	exec(t, conn, "update plausible_webhooks.webhook_deliveries set status = 'delivered'")
	exec(t, conn, `with hooks as (insert into plausible_webhooks.webhooks (url) select 'https://example.com' from generate_series(1, 40) returning id)
		insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select id, 'goal.completed', '{}' from hooks`)
	exec(t, conn, "notify plausible_webhooks_due, 'end'")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	for !slices.Contains(got, "end") {
		notice, err := conn.WaitForNotification(ctx)
		if err != nil {
			t.Fatal(errors.Join(err, errors.New("got only "+cmp.Diff(nil, got))))
		}
		got = append(got, notice.Payload)
	}
	want := []string{strconv.FormatInt(second, 10), strconv.FormatInt(first, 10), "", "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}
