package main

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"plausible-webhooks/config/schema"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// narrowed runs what --print-role prints, as the owner, and returns the
// DATABASE_URL that it tells. Roles are the whole server's: each test has its own.
func (s shell) narrowed(role string) (database string) {
	s.t.Helper()
	s.t.Cleanup(func() {
		_, _ = s.db.Exec(background, "drop owned by "+role+" cascade")
		_, _ = s.db.Exec(background, "drop role "+role)
	})
	r := s.run("migrate", "--print-role", "--role", role)
	r.want(s.t, exitDone)
	if _, err := s.db.PgConn().Exec(s.t.Context(), r.stdout).ReadAll(); err != nil {
		s.t.Fatalf("%v in\n%s", err, r.stdout)
	}
	found := regexp.MustCompile(`DATABASE_URL=(\S+)`).FindStringSubmatch(r.stderr)
	if found == nil {
		s.t.Fatalf("no DATABASE_URL is told:\n%s", r.stderr)
	}
	u, err := url.Parse(found[1])
	if err != nil {
		s.t.Fatal(err)
	}
	if password, _ := u.User.Password(); password == "" || strings.Contains(r.stdout, password) {
		s.t.Errorf("the password is empty, or stands in the SQL:\n%s", r.stdout)
	}
	return found[1]
}

func newRole() string { return "narrow_" + strings.ToLower(rand.Text()[:8]) }

// refused runs a statement as the role that must not.
func refused(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	var failed *pgconn.PgError
	if !errors.As(err, &failed) || failed.Code != "42501" {
		t.Errorf("%s: %v; want it refused", sql, err)
	}
}

// Everything works under the printed role, and it can do nothing else; the user
// of ClickHouse may only read, too.
func TestEverythingWorksUnderThePrintedRole(t *testing.T) {
	s := emptyShell(t)
	s.exec("create table public.api_keys (id bigserial primary key, key_hash text)")
	owner, err := plausible.AddAccount(t.Context(), s.db, "owner@example.com", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	site, err := owner.AddSite(t.Context(), s.db, stack.Site{Domain: "example.com/shop"})
	if err != nil {
		t.Fatal(err)
	}
	ownerURL := s.db.Config().ConnString()
	database := s.narrowed(newRole())

	web, err := plausible.Start(t.Context(), plausible.Options{DatabaseURL: ownerURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.Stop)
	w := newWorld(t, ownerURL, stack.TestEvents(t))
	w.environ = append(w.environ, "DATABASE_URL="+database, "CLICKHOUSE_DATABASE_URL="+strings.Replace(w.events, "http://", "http://readonly@", 1),
		"BASE_URL="+web.URL(), "WEBHOOKS_PLAUSIBLE_URL="+web.URL(), "WEBHOOKS_RETENTION=24h")
	s = s.with(w.environ...)
	s.run("migrate").want(t, exitDone, "created")

	// The trigger, the firing, its delivery, by replication.
	hook := w.addHook(site, "/spike", hookSecret)
	w.exec(`insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload, status, finished_at, inserted_at)
		values ($1, 'goal.completed', '{}', 'delivered', now() - interval '3 days', now() - interval '3 days')`, hook)
	w.startReady()
	w.following()
	w.visit(uint64(site), 5, w.addTrigger(hook, "traffic.spike", 5))
	request := w.received("/spike", 1, patience)[0]
	if status := w.finished(request.Header.Get("webhook-id")); status != "delivered" {
		t.Errorf("the spike's delivery is %s", status)
	}
	w.until("the old delivery is deleted", patience, func() bool {
		return value[int](w, "select count(*) from plausible_webhooks.webhook_deliveries where finished_at < now() - interval '2 days'") == 0
	})
	for _, line := range [][]string{
		{"webhook", "list"}, {"webhook", "test", "1"}, {"webhook", "rotate-secret", "1"}, {"delivery", "list"},
		{"webhook", "add", "--url", w.receiver.URL("/more"), "--site", "example.com/shop", "--trigger", "traffic.drop,threshold=1"},
	} {
		s.run(line...).want(t, exitDone)
	}
	// The page.
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar} // Cookies are for every port of a host.
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) {
			return browser.PostForm(web.URL()+"/login", url.Values{"email": {"owner@example.com"}, "password": {"correct horse"}})
		},
		func() (*http.Response, error) {
			return browser.Get("http://" + w.process.Pages + "/example.com%2Fshop/settings/webhooks")
		},
	} {
		answer, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d", answer.Request.URL, answer.StatusCode)
		}
	}
	for name, f := range s.findings(exitDone) {
		if f.Level != levelOK && name != "settings page" { // Without a proxy.
			t.Errorf("check of %s: %+v", name, f)
		}
	}
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
	if errors := w.log.count("[ERROR]") + w.log.count("[WARN]"); errors > 0 {
		t.Errorf("%d lines of trouble in the log", errors)
	}

	narrow, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = narrow.Close(background) })
	for _, table := range []string{"users", "user_sessions", "api_keys", "site_memberships", "oban_jobs", "email_verification_codes"} {
		refused(t, narrow, "select from public."+table)
		refused(t, narrow, "delete from public."+table)
	}
	for _, table := range []string{"sites", "goals", "spike_notifications"} {
		refused(t, narrow, "update public."+table+" set id = id")
		refused(t, narrow, "delete from public."+table)
		refused(t, narrow, "truncate public."+table)
		refused(t, narrow, "alter table public."+table+" replica identity full")
	}
	refused(t, narrow, "insert into public.sites (domain, timezone, inserted_at, updated_at) values ('a', 'b', now(), now())")
	refused(t, narrow, "create table public.mine (id int)")
	refused(t, narrow, "create schema mine")
	refused(t, narrow, "create role mine")
	refused(t, narrow, "create publication mine for table public.users")
	refused(t, narrow, "alter publication plausible_webhooks add table public.users")
	refused(t, narrow, "alter publication plausible_webhooks set table public.sites (id)")

	s.run("uninstall", "--yes").want(t, exitDone, "Removed.")
}

// An installation that ran as a superuser is handed over, and the SQL may be run again.
func TestPrintedRoleTakesOver(t *testing.T) {
	s := newShell(t)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	s.exec("create publication plausible_webhooks for table public.sites, public.goals, public.spike_notifications, plausible_webhooks.webhooks, plausible_webhooks.webhook_triggers")
	role := newRole()
	s.narrowed(role)
	database := s.narrowed(role)
	narrow := s.with("DATABASE_URL=" + database)
	narrow.run("webhook", "list").want(t, exitDone, "hooks.example.com")
	found := narrow.findings(exitFailed) // ClickHouse is not there.
	for _, name := range []string{"PostgreSQL", "connections", "Plausible's tables", "own tables", "REPLICATION", "publication", "secrets"} {
		if f := found[name]; f.Level != levelOK {
			t.Errorf("%s: %+v; want ok", name, f)
		}
	}
	// It owns what the next version changes.
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(background) })
	for _, sql := range []string{
		"alter table plausible_webhooks.webhooks add column later int", "create index on plausible_webhooks.webhook_deliveries (attempts)",
		"create table plausible_webhooks.later (id int)", "alter function plausible_webhooks.uuid_v7() parallel unsafe",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	narrow.run("migrate").want(t, exitDone, "up to date")
}

func TestARoleThatOwnsNothingIsToldWhoMigrates(t *testing.T) {
	s := newShell(t)
	role := newRole()
	s.exec("create role " + role + " login password 'narrow'")
	t.Cleanup(func() {
		_, _ = s.db.Exec(background, "drop owned by "+role+" cascade")
		_, _ = s.db.Exec(background, "drop role "+role)
	})
	s.exec("grant usage on schema plausible_webhooks to " + role)
	s.exec("grant select, insert, update, delete on all tables in schema plausible_webhooks to " + role)
	s.exec("update plausible_webhooks.schema_version set version = $1", schema.Wanted()-1)
	config := s.db.Config()
	narrow := s.with("DATABASE_URL=postgres://" + role + ":narrow@" + config.Host + ":" + itoa(config.Port) + "/" + config.Database)
	narrow.run("migrate").want(t, exitFailed, "`plausible-webhooks migrate` as its owner", "--print-role")
	narrow.run("uninstall", "--yes").want(t, exitFailed, "nothing was removed", "DROP SCHEMA IF EXISTS plausible_webhooks CASCADE;")
	s.exec("drop schema plausible_webhooks cascade")
	narrow.run("migrate").want(t, exitFailed, "--print-role")
}

var verifiers = regexp.MustCompile(`SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+`)

func TestPrintedSQL(t *testing.T) {
	environ := []string{"CONFIG_DIR=/nonexistent", "DATABASE_URL=postgres://u:hunter2@db/plausible_db"}
	for name, more := range map[string]string{"role": "X=", "role_polling": "WEBHOOKS_CONFIG_SOURCE=poll"} {
		r := runLine(t, append(environ, more), "", "migrate", "--print-role")
		r.want(t, exitDone, "DATABASE_URL=postgres://plausible_webhooks:")
		if strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Error("the password of DATABASE_URL is shown")
		}
		golden(t, name, verifiers.ReplaceAllString(r.stdout, "<verifier>"))
	}
}

func TestPrintedRoleWithoutReplication(t *testing.T) {
	s := newShell(t).with("WEBHOOKS_CONFIG_SOURCE=poll")
	role := newRole()
	narrow := s.with("DATABASE_URL=" + s.narrowed(role))
	var replicates, published bool
	s.scan(&replicates, "select rolreplication from pg_roles where rolname = $1", role)
	s.scan(&published, "select exists (select from pg_publication)")
	if replicates || published {
		t.Errorf("the role may replicate: %v, there is a publication: %v; want neither", replicates, published)
	}
	s.wantFinding(narrow.findings(exitFailed), "replication", levelOK, "WEBHOOKS_CONFIG_SOURCE is poll")
}

func TestPrintedRoleIsNeverOneThatCanDoMore(t *testing.T) {
	s := newShell(t)
	role := newRole()
	s.exec("create role " + role + " superuser")
	t.Cleanup(func() { _, _ = s.db.Exec(background, "drop role "+role) })
	r := s.run("migrate", "--print-role", "--role", role)
	if _, err := s.db.PgConn().Exec(t.Context(), r.stdout).ReadAll(); err == nil || !strings.Contains(err.Error(), "choose a new name") {
		t.Errorf("a superuser is made the role: %v", err)
	}
	s.exec("rollback")
	s.run("migrate", "--print-role", "--role", "Robert'); drop table students;--").want(t, exitMistaken, "--role")
	s.run("migrate", "--print-role", "--role", s.db.Config().User).want(t, exitMistaken, "--role")
	s.run("migrate", "--print-role", "--json").want(t, exitMistaken)
}
