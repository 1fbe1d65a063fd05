package schema

import (
	"context"
	"io/fs"
	"regexp"
	"sync"
	"testing"
	"time"
)

// longestLock is how long a migration may keep an older sidecar that is running
// from its tables.
const longestLock = 2 * time.Second

// Every migration of tables that are in use gives up a lock that it does not
// get soon: whoever comes after it waits as well.
func TestMigrationsBoundTheirLocks(t *testing.T) {
	limit := regexp.MustCompile(`(?m)^set local lock_timeout = '([^']+)';$`)
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] { // The first makes tables that nobody uses yet.
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := limit.FindSubmatch(text)
		if found == nil {
			t.Errorf("%s sets no lock_timeout", name)
			continue
		}
		if d, err := time.ParseDuration(string(found[1])); err != nil || d > longestLock {
			t.Errorf("%s waits %s for locks; want at most %s", name, found[1], longestLock)
		}
	}
}

// A newer sidecar migrates while an older one works: it claims, records and
// inserts all the time, with a long log, and never waits for long.
func TestOlderSidecarsWorkWhileANewerOneMigrates(t *testing.T) {
	conn, url := atVersion(t, 1)
	fillFirstVersion(t, conn)
	exec(t, conn, `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at)
		select min(id), 'goal.completed', '{}', 'failed', now() from plausible_webhooks.webhooks, generate_series(1, 100000)`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var working sync.WaitGroup
	var longest time.Duration
	rounds := 0
	older := connect(t, url)
	begun := make(chan struct{})
	working.Go(func() {
		for ctx.Err() == nil {
			for _, work := range []string{
				"insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload) select min(id), 'webhook.test', '{}' from plausible_webhooks.webhooks",
				"update plausible_webhooks.webhook_deliveries set claimed_until = now() where id = (select id from plausible_webhooks.webhook_deliveries where status = 'pending' limit 1)",
				"update plausible_webhooks.webhook_triggers set cooldown_seconds = 60",
				"select count(*) from plausible_webhooks.webhooks",
			} {
				at := time.Now()
				if _, err := older.Exec(context.WithoutCancel(ctx), work); err != nil {
					t.Errorf("%s: %v", work, err)
					return
				}
				longest = max(longest, time.Since(at))
			}
			if rounds++; rounds == 10 {
				close(begun)
			}
		}
	})
	<-begun
	got := mustMigrate(t, conn)
	cancel()
	working.Wait()
	if got.To != Wanted() {
		t.Errorf("Migrate = %+v; want version %d", got, Wanted())
	}
	if longest > longestLock {
		t.Errorf("a statement of the older sidecar took %s while the newer one migrated; want at most %s", longest, longestLock)
	}
	t.Logf("%d rounds, the longest statement took %s", rounds, longest.Round(time.Millisecond))
}
