package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// columns lists "table.column" of all tables of Plausible.
func columns(t *testing.T, conn *pgx.Conn) map[string]bool {
	t.Helper()
	rows, err := conn.Query(t.Context(),
		"select table_name || '.' || column_name from information_schema.columns where table_schema = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool, len(names))
	for _, name := range names {
		found[name] = true
	}
	return found
}

func TestPlausibleSchemaDrift(t *testing.T) {
	always := []string{
		"sites.id", "sites.domain", "sites.timezone", "sites.locked", "sites.native_stats_start_at",
		"sites.domain_changed_from", "goals.event_name", "goals.page_path", "goals.display_name",
		"spike_notifications.threshold", "spike_notifications.type", "spike_notifications.last_sent",
		"user_sessions.token", "site_memberships.role",
	}
	since := map[PlausibleVersion][]string{
		V30: {"sites.team_id", "goals.scroll_threshold", "teams.locked", "teams.accept_traffic_until", "teams.identifier",
			"team_memberships.role", "guest_memberships.role"},
		V32: {"goals.custom_props", "sites.consolidated"},
	}
	for at, version := range PlausibleVersions() {
		t.Run(string(version), func(t *testing.T) {
			got := columns(t, connect(t, TestDatabase(t, version)))
			for _, name := range always {
				if !got[name] {
					t.Errorf("%s is missing", name)
				}
			}
			for from, later := range PlausibleVersions() {
				for _, name := range since[later] {
					if want := at >= from; got[name] != want {
						t.Errorf("%s: got %v, want %v", name, got[name], want)
					}
				}
			}
		})
	}
}

func TestPlausibleSchemaTypes(t *testing.T) {
	conn := connect(t, TestDatabase(t, V32))
	rows, err := conn.Query(t.Context(), `
		select format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
		              case when a.attnotnull then ' not null' else '' end,
		              ' default ' || pg_get_expr(d.adbin, d.adrelid))
		  from pg_attribute a
		  join pg_class c on c.oid = a.attrelid
		  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		 where c.relname || '.' || a.attname = any($1)
		 order by 1`,
		[]string{"sites.domain", "sites.native_stats_start_at", "goals.scroll_threshold", "goals.custom_props",
			"spike_notifications.recipients", "spike_notifications.type", "teams.accept_traffic_until"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"goals.custom_props jsonb not null default '{}'::jsonb",
		"goals.scroll_threshold smallint not null default '-1'::integer",
		"sites.domain character varying(255) not null",
		"sites.native_stats_start_at timestamp(0) without time zone not null default now()",
		"spike_notifications.recipients citext[] not null default ARRAY[]::citext[]",
		"spike_notifications.type character varying(255) default 'spike'::character varying",
		"teams.accept_traffic_until date",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestUpgradePlausibleKeepsRows(t *testing.T) {
	conn := connect(t, TestDatabase(t, V21))
	site, err := AddSite(t.Context(), conn, Site{Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AddGoal(t.Context(), conn, site, Goal{PagePath: "/pricing"}); err != nil {
		t.Fatal(err)
	}
	for _, version := range []PlausibleVersion{V30, V32} {
		if err := UpgradePlausible(t.Context(), conn, version); err != nil {
			t.Fatal(err)
		}
	}
	got := one[string](t, conn, "select scroll_threshold || ' ' || custom_props::text from goals where site_id = $1", site)
	if want := "-1 {}"; got != want {
		t.Errorf("goal after upgrade: got %q, want %q", got, want)
	}
	if diff := cmp.Diff(columns(t, connect(t, TestDatabase(t, V32))), columns(t, conn)); diff != "" {
		t.Errorf("columns after upgrade (-fresh +upgraded):\n%s", diff)
	}
	if err := UpgradePlausible(t.Context(), conn, V21); err == nil {
		t.Error("an upgrade to the oldest release went through")
	}
}

func TestUnknownPlausibleVersion(t *testing.T) {
	_, err := TestPostgres(t).CreateDatabase(t.Context(), "never", "v9.9")
	if err == nil || !strings.Contains(err.Error(), "v9.9") || !strings.Contains(err.Error(), "v3.2") {
		t.Errorf("got %v, want an error that names the known releases", err)
	}
}

func TestNoPlausible(t *testing.T) {
	if got := columns(t, connect(t, TestDatabase(t, NoPlausible))); len(got) != 0 {
		t.Errorf("columns: got %v, want none", got)
	}
}

func TestPlausibleConstraints(t *testing.T) {
	conn := connect(t, TestDatabase(t, V32))
	site, err := AddSite(t.Context(), conn, Site{Domain: "new.example", DomainChangedFrom: "old.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AddGoal(t.Context(), conn, site, Goal{EventName: "Signup"}); err != nil {
		t.Fatal(err)
	}
	if _, err := AddNotification(t.Context(), conn, site, Notification{Type: "drop"}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		add  func() error
		code string
	}{
		"domain taken": {func() error {
			_, err := AddSite(t.Context(), conn, Site{Domain: "new.example"})
			return err
		}, "23505"},
		"domain just left": {func() error {
			_, err := AddSite(t.Context(), conn, Site{Domain: "old.example"})
			return err
		}, "23505"},
		"goal twice": {func() error {
			_, err := AddGoal(t.Context(), conn, site, Goal{EventName: "Signup", DisplayName: "Other"})
			return err
		}, "23505"},
		"goal of nothing": {func() error {
			_, err := AddGoal(t.Context(), conn, site, Goal{DisplayName: "Nothing"})
			return err
		}, "23514"},
		"notification twice": {func() error {
			_, err := AddNotification(t.Context(), conn, site, Notification{Type: "drop"})
			return err
		}, "23505"},
		"goal of no site": {func() error {
			_, err := AddGoal(t.Context(), conn, site+1, Goal{EventName: "Signup"})
			return err
		}, "23503"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var refused *pgconn.PgError
			if err := test.add(); !errors.As(err, &refused) || refused.Code != test.code {
				t.Errorf("got %v, want SQLSTATE %s", err, test.code)
			}
		})
	}
	execute(t, conn, "delete from sites")
	if got := one[int](t, conn, "select (select count(*) from goals) + (select count(*) from spike_notifications)"); got != 0 {
		t.Errorf("rows of a deleted site: got %d, want 0", got)
	}
}
