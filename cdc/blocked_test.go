package cdc

import (
	"fmt"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/stack"
)

// migrationPatience is how long a migration of Plausible may have to wait for
// us.
const migrationPatience = time.Second

// migrate locks Plausible's tables as its migrations do, and returns how long
// that took.
func (w *world) migrate(within time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	w.exec(fmt.Sprintf("begin; set local lock_timeout = '%dms'; lock table sites, goals, spike_notifications in access exclusive mode; commit", within.Milliseconds()))
	return time.Since(began)
}

// manySites adds sites with names so long that a read of them does not fit into
// what systems buffer of a connection.
func (w *world) manySites(n int) {
	w.t.Helper()
	w.exec("insert into sites (domain, timezone, inserted_at, updated_at) select repeat('x', 190) || n, 'Etc/UTC', now(), now() from generate_series(1, $1::int) n", n)
}

// Plausible's migrations lock its tables while sites are read again and again,
// streamed and compared, and webhooks are kept in step with their sites. None
// has to wait for as long as a second.
func TestPlausiblesMigrationsDoNotWaitForUs(t *testing.T) {
	for _, source := range []Source{SourceReplication, SourcePoll} {
		t.Run(string(source), func(t *testing.T) {
			w := newWorld(t, stack.V32)
			w.manySites(5_000)
			site := w.site("a.example")
			w.webhook(site)
			f := follow(t, w.url, Options{Source: source, PollInterval: 10 * time.Millisecond, ReconcileInterval: 10 * time.Millisecond})
			f.seesSite(patience, site, true)
			var longest time.Duration
			for n := range 30 {
				longest = max(longest, w.migrate(migrationPatience))
				w.exec("update sites set timezone = $1 where id = $2", fmt.Sprint(n), site)
			}
			t.Logf("the longest of 30 migrations took %s", longest.Round(time.Millisecond))
			f.seesSite(patience, w.site("b.example"), true)
		})
	}
}
