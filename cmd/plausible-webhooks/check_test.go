package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"
)

// findings runs check --json and returns what each check found, the worst of
// each.
func (s shell) findings(code int) map[string]finding {
	s.t.Helper()
	r := s.run("check", "--json")
	r.want(s.t, code)
	return decodeFindings(s.t, r.stdout)
}

func decodeFindings(t *testing.T, text string) map[string]finding {
	t.Helper()
	var all []finding
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	byName := make(map[string]finding)
	for _, f := range all {
		if old, ok := byName[f.Check]; !ok || old.Level == levelOK || f.Level == levelFailure {
			byName[f.Check] = f
		}
		if (f.Level == levelOK) != (f.Mend == "") {
			t.Errorf("%+v: want a mend with what is not ok, and only there", f)
		}
	}
	return byName
}

func (s shell) wantFinding(found map[string]finding, check string, l level, part string) {
	s.t.Helper()
	f, ok := found[check]
	if !ok || f.Level != l || !strings.Contains(f.Result+" "+f.Mend, part) {
		s.t.Errorf("%s: %+v; want %s with %q", check, f, l, part)
	}
}

// front is a proxy in front of Plausible that leads where it should.
func front(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	f := httptest.NewServer(answer)
	t.Cleanup(f.Close)
	return f.URL
}

func leading(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.EscapedPath(), "/settings/webhooks/assets/probe") {
		_, _ = io.WriteString(w, server.ProbeAnswer)
		return
	}
	_, _ = io.WriteString(w, `{"postgres":"ok"}`)
}

// goodShell has everything that check looks at in order.
func goodShell(t *testing.T) (shell, *receiver.Receiver) {
	t.Helper()
	r, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	roots, err := r.CAFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	address := front(t, leading)
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL="+stack.TestEvents(t), "WEBHOOKS_PLAUSIBLE_URL="+address, "BASE_URL="+address,
		"WEBHOOKS_CA_FILE="+roots, "WEBHOOKS_ALLOWED_TARGETS=127.0.0.0/8")
	s.run("webhook", "add", "--url", r.URL("/secret-path")).want(t, exitDone)
	return s, r
}

func TestCheckOfAGoodSetup(t *testing.T) {
	s, r := goodShell(t)
	for name, f := range s.findings(exitDone) {
		if f.Level != levelOK {
			t.Errorf("%s: %+v; want ok", name, f)
		}
	}
	s.run("check").want(t, exitDone, "Everything is in order.")
	if requests := r.Requests("/secret-path"); len(requests) > 0 {
		t.Errorf("the receiver got %d requests; want a connection only", len(requests))
	}
}

func TestCheckWithEachLevelOfReadonly(t *testing.T) {
	s, _ := goodShell(t)
	events := stack.TestEvents(t)
	for user, level := range map[string]string{"default": "readonly = 0", "readonly": "readonly = 1", "readonly2": "readonly = 2"} {
		found := s.with("CLICKHOUSE_DATABASE_URL=" + strings.Replace(events, "http://", "http://"+user+"@", 1)).findings(exitDone)
		s.wantFinding(found, "ClickHouse", levelOK, "version")
		s.wantFinding(found, "ClickHouse user", levelOK, level)
		s.wantFinding(found, "events", levelOK, "events_v2")
		s.wantFinding(found, "newest event", levelOK, "none in the last 7 days")
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL=http://someone:hunter2@127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1", "WEBHOOKS_TYPO=1",
		"BASE_URL=http://127.0.0.1:1", "HTTPS_PROXY=http://someone:hunter2@proxy:3128", "http_proxy=http://proxy:3128", "no_proxy=*", "WEBHOOKS_ALLOWED_TARGETS=127.0.0.1:2")
	s.run("webhook", "add", "--url", "https://127.0.0.1:2/secret-path").want(t, exitDone)
	s = s.with("SECRET_KEY_BASE=")
	s.exec("insert into plausible_webhooks.webhooks (url, enabled, disabled_reason) values ('ftp://nowhere', false, 'gone')")
	s.exec(`insert into plausible_webhooks.webhooks (url, headers) values ('https://127.0.0.1:2', '{"Host": "T0KEN"}')`)
	s.exec("alter table public.goals drop column page_path cascade")
	found := s.findings(exitFailed)
	s.wantFinding(found, "environment", levelWarning, "WEBHOOKS_TYPO")
	s.wantFinding(found, "proxy", levelWarning, "HTTPS_PROXY and http_proxy are set and ignored")
	s.wantFinding(found, "Plausible's tables", levelFailure, "public.goals.page_path")
	s.wantFinding(found, "ClickHouse", levelFailure, "CLICKHOUSE_DATABASE_URL")
	s.wantFinding(found, "encryption key", levelWarning, "openssl rand -base64 32")
	s.wantFinding(found, "secrets", levelFailure, "webhook rotate-secret 1")
	s.wantFinding(found, "headers", levelWarning, "webhook update 3 --header-file")
	s.wantFinding(found, "webhooks", levelWarning, "webhook update 2")
	s.wantFinding(found, "receivers", levelWarning, "https://127.0.0.1:2 (webhooks 1, 3): connection refused")
	s.wantFinding(found, "Plausible", levelWarning, "WEBHOOKS_PLAUSIBLE_URL")
	s.wantFinding(found, "settings page", levelWarning, "cannot be asked from here")
	r := s.run("check")
	r.want(t, exitFailed, "3 failures and ")
	for _, secret := range []string{"hunter2", "secret-path", "T0KEN", "\x1b"} {
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("check shows %q:\n%s", secret, r.stdout)
		}
	}
}

func TestCheckBeforeTheFirstRun(t *testing.T) {
	s := emptyShell(t)
	found := s.findings(exitFailed) // ClickHouse is not there.
	s.wantFinding(found, "own tables", levelWarning, "plausible-webhooks migrate")
	s.wantFinding(found, "publication", levelOK, "run makes")
	if _, ok := found["secrets"]; ok {
		t.Error("secrets are checked before there is a table of them")
	}
}

func TestCheckWithoutPostgres(t *testing.T) {
	s := shell{t: t, environ: []string{"BASE_URL=http://127.0.0.1:1", "CONFIG_DIR=/nonexistent",
		"DATABASE_URL=postgres://someone:hunter2@127.0.0.1:1/plausible_db", "CLICKHOUSE_DATABASE_URL=http://127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1"}}
	s.wantFinding(s.findings(exitFailed), "PostgreSQL", levelFailure, "DATABASE_URL")
	s = s.with("BASE_URL=")
	s.run("check").want(t, exitMistaken, "BASE_URL")
}

func TestCheckOfANarrowRole(t *testing.T) {
	s := newShell(t)
	s.exec("drop role if exists check_narrow")
	s.exec("create role check_narrow login password 'narrow' connection limit 5")
	t.Cleanup(func() {
		_, _ = s.db.Exec(background, "drop owned by check_narrow cascade")
		_, _ = s.db.Exec(background, "drop role check_narrow")
	})
	config := s.db.Config()
	narrow := s.with("DATABASE_URL=postgres://check_narrow:narrow@" + config.Host + ":" + itoa(config.Port) + "/" + config.Database)
	narrow.wantFinding(narrow.findings(exitFailed), "own tables", levelFailure, "GRANT USAGE ON SCHEMA plausible_webhooks")
	s.exec("grant usage on schema plausible_webhooks to check_narrow")
	s.exec("grant select on all tables in schema plausible_webhooks to check_narrow")
	found := narrow.findings(exitFailed)
	s.wantFinding(found, "connections", levelWarning, `ALTER ROLE "check_narrow" CONNECTION LIMIT -1;`)
	s.wantFinding(found, "Plausible's tables", levelFailure, `GRANT SELECT ON public.sites, public.goals, public.spike_notifications TO "check_narrow"`)
	s.wantFinding(found, "own tables", levelFailure, "may not read and write")
	s.wantFinding(found, "REPLICATION", levelWarning, `ALTER ROLE "check_narrow" REPLICATION;`)
	s.wantFinding(found, "publication", levelWarning, "CREATE PUBLICATION plausible_webhooks FOR TABLE")
	s.exec("grant insert, update, delete on all tables in schema plausible_webhooks to check_narrow")
	narrow.wantFinding(narrow.findings(exitFailed), "own tables", levelOK, "up to date")
	s.exec("update plausible_webhooks.schema_version set version = version - 1")
	narrow.wantFinding(narrow.findings(exitFailed), "own tables", levelFailure, "with the DATABASE_URL of postgres: plausible-webhooks migrate")
}

func TestCheckWithPhysicalReplicationOnly(t *testing.T) {
	server := stack.TestPostgresWith(t, stack.PostgresOptions{WALLevel: "replica"})
	url, err := server.CreateDatabase(t.Context(), "check_replica", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	s := emptyShell(t).with("DATABASE_URL=" + url)
	s.wantFinding(s.findings(exitFailed), "wal_level", levelWarning, "wal_level=logical")
	s.wantFinding(s.with("WEBHOOKS_CONFIG_SOURCE=poll").findings(exitFailed), "replication", levelOK, "WEBHOOKS_CONFIG_SOURCE is poll")
}

func TestCheckOfAPublication(t *testing.T) {
	const whole = "create publication plausible_webhooks for table public.sites, public.goals, public.spike_notifications, plausible_webhooks.webhooks, plausible_webhooks.webhook_triggers"
	for name, c := range map[string]struct {
		sql   string
		level level
		part  string
	}{
		"whole":          {whole, levelOK, "all 5 tables whole"},
		"to be finished": {"create publication plausible_webhooks for table public.sites", levelOK, "run makes or completes it"},
		"of users":       {whole + ", public.users", levelWarning, "DROP TABLE public.users;"},
		"of everything":  {"create publication plausible_webhooks for all tables", levelFailure, "as a superuser: DROP PUBLICATION"},
		"of columns":     {"create publication plausible_webhooks for table public.sites (id)", levelFailure, "Plausible itself may fail"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t)
			s.exec(c.sql)
			s.wantFinding(s.findings(exitFailed), "publication", c.level, c.part) // ClickHouse is not there.
		})
	}
}

func TestCheckDoesNotWaitForALock(t *testing.T) {
	s, _ := goodShell(t)
	s.exec("begin")
	s.exec("lock table plausible_webhooks.webhooks")
	found := s.findings(exitFailed)
	s.wantFinding(found, "webhooks", levelFailure, "lock timeout")
	s.wantFinding(found, "settings page", levelOK, "leads to the sidecar")
	s.exec("rollback")
}

func TestCheckOfTheWayToThePage(t *testing.T) {
	s, _ := goodShell(t)
	decoding := func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.EscapedPath(), "%2F") {
			http.NotFound(w, r)
			return
		}
		leading(w, r)
	}
	s.wantFinding(s.with("BASE_URL="+front(t, decoding)).findings(exitDone), "settings page", levelWarning, "%2F gets 404")
	elsewhere := s.with("BASE_URL=" + front(t, http.NotFound))
	s.wantFinding(elsewhere.findings(exitDone), "settings page", levelWarning, "no sidecar is running")
	s.exec("select pg_advisory_lock($1)", int64(0x706c_7768_6576_616c)) // As the one that evaluates.
	s.wantFinding(elsewhere.findings(exitDone), "settings page", levelWarning, "import webhooks.caddy")
}

func TestCheckOfEventsThatStay(t *testing.T) {
	s, _ := goodShell(t)
	events := stack.TestEvents(t)
	var all []stack.Event
	for at := 3 * time.Hour; at < 8*time.Hour; at += 5 * time.Minute {
		all = append(all, stack.Event{SiteID: 1, Timestamp: time.Now().Add(-at)})
	}
	if err := stack.InsertEvents(t.Context(), events, all); err != nil {
		t.Fatal(err)
	}
	s = s.with("CLICKHOUSE_DATABASE_URL=" + events)
	s.wantFinding(s.findings(exitDone), "newest event", levelWarning, "3 hours ago, while the longest pause between events of the last 7 days is")
	if err := stack.InsertEvents(t.Context(), events, []stack.Event{{SiteID: 1}}); err != nil {
		t.Fatal(err)
	}
	s.wantFinding(s.findings(exitDone), "newest event", levelOK, " ago")
	if err := stack.InsertEvents(t.Context(), events, []stack.Event{{SiteID: 1, Timestamp: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	s.wantFinding(s.findings(exitDone), "newest event", levelWarning, "Plausible's clock is ahead")
}

func TestCheckOfClocks(t *testing.T) {
	at := time.Now()
	c := clocks{}
	if got := c.check(); got != nil {
		t.Errorf("without another clock: %+v; want nothing", got)
	}
	c.note("PostgreSQL", at, at.Add(2*time.Second), at.Add(2*time.Second)) // A second ahead, and a slow answer.
	if got := c.check()[0]; got.Level != levelOK || got.Result != "within 1s of each other" {
		t.Errorf("one second apart: %+v", got)
	}
	c.note("ClickHouse", at, at.Add(-time.Minute), at)
	if got := c.check()[0]; got.Level != levelWarning || got.Result != "that of PostgreSQL is 1m1s ahead of that of ClickHouse" {
		t.Errorf("a minute apart: %+v", got)
	}
}

// The driver of ClickHouse, and net/http, would take HTTP_PROXY for theirs.
func TestNothingGoesThroughAnAmbientProxy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 16)
	proxy := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.String() + r.Host })}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = proxy.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = proxy.Close()
		<-served
	})
	w := newWorld(t, stack.TestDatabase(t, stack.V32), "http://clickhouse.invalid:8123/events")
	address := "http://" + listener.Addr().String()
	w.environ = append(w.environ, "HTTP_PROXY="+address, "HTTPS_PROXY="+address, "http_proxy="+address, "https_proxy="+address,
		"BASE_URL=http://plausible.invalid", "WEBHOOKS_PLAUSIBLE_URL=http://plausible.invalid:8000")
	w.startReady()
	if _, err := w.process.Command(t.Context(), "check"); err == nil {
		t.Error("check finds a ClickHouse at a name that does not exist")
	}
	select {
	case request := <-asked:
		t.Errorf("the proxy of the environment was asked for %s", request)
	default:
	}
}

func TestVersionsOfClickHouse(t *testing.T) {
	for version, want := range map[string]bool{"24.3.3.102": false, "24.12.1": false, "26.7": false, "23.8.1": true, "24.2": true, "testing": false, "24": false} {
		if got := olderThan(version, oldestClickHouse); got != want {
			t.Errorf("%s is older than %s: %v; want %v", version, oldestClickHouse, got, want)
		}
	}
}
