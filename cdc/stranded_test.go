package cdc

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plausible-webhooks/deploy/devstack/faulty"
	"plausible-webhooks/deploy/devstack/stack"
)

// strandedPatience is how long a migration may have to wait for a read whose
// reader is gone: the second after which the server gives it up, and what it
// takes a busy machine to do so.
const strandedPatience = 3 * time.Second

// distant is a world that followers reach through a network that fails.
type distant struct {
	*world
	through string
	network *faulty.Proxy
}

func newDistant(t *testing.T) distant {
	t.Helper()
	w := newWorld(t, stack.V32)
	address, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	network, err := faulty.Start(address.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Stop)
	address.Host = network.Addr()
	return distant{w, address.String(), network}
}

// largeGoals adds so many goals of 20 kB.
func (w *world) largeGoals(n int) {
	w.t.Helper()
	w.exec(`insert into goals (site_id, page_path, display_name, custom_props, inserted_at, updated_at)
		select $1, '/' || n, n, jsonb_build_object('plan', repeat('x', 20000)), now(), now() from generate_series(1, $2::int) n`, w.site("a.example"), n)
}

// sessionsOfOurs counts those that read, in a state, and with or without a lock
// on sites.
func (w *world) sessionsOfOurs(backend, waits string, locks bool) int64 {
	w.t.Helper()
	return w.id(`select count(*) from pg_stat_activity a
		where datname = current_database() and pid <> pg_backend_pid() and backend_type = $1 and wait_event = $2
		and $3 = exists (select from pg_locks l where l.pid = a.pid and l.relation = 'public.sites'::regclass)`, backend, waits, locks)
}

// kinds are the connections that read, with the number that they have among
// those of a follower: it reads by an ordinary one before it replicates.
var kinds = []struct {
	source  Source
	backend string
	number  int
	config  func(*pgx.ConnConfig) *pgconn.Config
}{
	{SourcePoll, "client backend", 1, func(base *pgx.ConnConfig) *pgconn.Config { return &plainConfig(base).Config }},
	{SourceReplication, "walsender", 2, replicationConfig},
}

// The network ends in the middle of a read that is larger than everything that
// buffers it, so that the server is held up in writing rows, with its locks. A
// reader that is stopped looks the same to it: a window that stays closed.
func TestReadThatIsStrandedHoldsUpNoMigration(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind.source), func(t *testing.T) {
			w := newDistant(t)
			w.largeGoals(800)
			w.network.Befall(func(n int) (fault faulty.Fault) {
				if n == kind.number {
					fault.StallDown = 100 << 10
				}
				return fault
			})
			follow(t, w.through, Options{Source: kind.source, PollInterval: time.Hour})
			eventually(t, "a read that is held up", func() bool { return w.sessionsOfOurs(kind.backend, "ClientWrite", true) == 1 })
			if took := w.migrate(patience); took > strandedPatience {
				t.Errorf("the migration waited for %s, want at most %s", took, strandedPatience)
			}
			w.network.Cut() // Or the follower waits for its own limit.
		})
	}
}

// The reader vanishes between two statements, after it has locked the tables.
func TestReadThatNobodyGoesOnWithHoldsUpNoMigration(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind.source), func(t *testing.T) {
			w := newDistant(t)
			base, err := pgx.ParseConfig(w.through)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := pgconn.ConnectConfig(t.Context(), kind.config(base))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				w.network.Cut()
				closeConnection(conn)
			})
			if err := beginLocked(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			w.network.Strand()
			if took := w.migrate(patience); took > strandedPatience {
				t.Errorf("the migration waited for %s, want at most %s", took, strandedPatience)
			}
		})
	}
}

// What fits into the buffers is no longer locked while the reader is still busy
// with it, however slow it is; nor is its session taken for an idle one, which
// would end it.
func TestServerLetsGoBeforeAllIsUnderstood(t *testing.T) {
	w := newDistant(t)
	w.largeGoals(4)
	w.network.Befall(func(n int) (fault faulty.Fault) {
		if n == 1 {
			fault.StallDown = 20 << 10 // Of 80; what is left fits into the smallest buffers.
		}
		return fault
	})
	follow(t, w.through, Options{Source: SourcePoll, PollInterval: time.Hour})
	eventually(t, "a session that has read everything", func() bool {
		return w.id("select count(*) from pg_stat_activity where datname = current_database() and state = 'idle' and query like '%COMMIT'") == 1
	})
	if n := w.sessionsOfOurs("client backend", "ClientRead", false); n != 1 {
		t.Errorf("%d sessions wait without a lock, want the one", n)
	}
	w.migrate(migrationPatience)
	if n := w.network.Accepted(); n != 1 {
		t.Errorf("there were %d connections, want the one that is stalled", n)
	}
	w.network.Cut()
}
