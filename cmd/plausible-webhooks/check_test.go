package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"
)

// findings runs check --json and returns what each check found.
func (s shell) findings(code int) map[string]finding {
	s.t.Helper()
	r := s.run("check", "--json")
	r.want(s.t, code)
	var all []finding
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil {
		s.t.Fatalf("%v in %s", err, r.stdout)
	}
	byName := make(map[string]finding)
	for _, f := range all {
		if old, ok := byName[f.Check]; !ok || old.Level == levelOK {
			byName[f.Check] = f
		}
		if (f.Level == levelOK) != (f.Mend == "") {
			s.t.Errorf("%+v: want a mend with what is not ok, and only there", f)
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

func TestCheckOfAGoodSetup(t *testing.T) {
	plausible := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plausible.Close)
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL="+stack.TestEvents(t), "WEBHOOKS_PLAUSIBLE_URL="+plausible.URL)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	for name, f := range s.findings(exitDone) {
		if f.Level != levelOK {
			t.Errorf("%s: %+v; want ok", name, f)
		}
	}
	s.run("check").want(t, exitDone, "Everything is in order.")
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	s := newShell(t).with("CLICKHOUSE_DATABASE_URL=http://someone:hunter2@127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1", "WEBHOOKS_TYPO=1")
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	s = s.with("SECRET_KEY_BASE=")
	s.exec("insert into plausible_webhooks.webhooks (url, enabled, disabled_reason) values ('ftp://nowhere', false, 'gone')")
	s.exec(`insert into plausible_webhooks.webhooks (url, headers) values ('https://example.com', '{"Host": "T0KEN"}')`)
	s.exec("alter table public.goals drop column page_path cascade")
	found := s.findings(exitFailed)
	s.wantFinding(found, "environment", levelWarning, "WEBHOOKS_TYPO")
	s.wantFinding(found, "Plausible's tables", levelFailure, "public.goals.page_path")
	s.wantFinding(found, "ClickHouse", levelFailure, "CLICKHOUSE_DATABASE_URL")
	s.wantFinding(found, "encryption key", levelWarning, "openssl rand -base64 32")
	s.wantFinding(found, "secrets", levelFailure, "webhook rotate-secret 1")
	s.wantFinding(found, "headers", levelWarning, "webhook update 3 --header-file")
	s.wantFinding(found, "webhooks", levelWarning, "webhook update 2")
	s.wantFinding(found, "Plausible", levelWarning, "WEBHOOKS_PLAUSIBLE_URL")
	r := s.run("check")
	r.want(t, exitFailed, "3 failures and ")
	if strings.Contains(r.stdout+r.stderr, "hunter2") || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("check shows a password or colours without a terminal:\n%s", r.stdout)
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
	s := shell{t: t, environ: []string{"BASE_URL=https://plausible.example.com", "CONFIG_DIR=/nonexistent",
		"DATABASE_URL=postgres://someone:hunter2@127.0.0.1:1/plausible_db", "CLICKHOUSE_DATABASE_URL=http://127.0.0.1:1/events", "WEBHOOKS_PLAUSIBLE_URL=http://127.0.0.1:1"}}
	s.wantFinding(s.findings(exitFailed), "PostgreSQL", levelFailure, "DATABASE_URL")
	s = s.with("BASE_URL=")
	s.run("check").want(t, exitMistaken, "BASE_URL")
}

func TestCheckOfANarrowRole(t *testing.T) {
	s := newShell(t)
	s.exec("drop role if exists check_narrow")
	s.exec("create role check_narrow login password 'narrow'")
	t.Cleanup(func() {
		_, _ = s.db.Exec(background, "drop owned by check_narrow cascade")
		_, _ = s.db.Exec(background, "drop role check_narrow")
	})
	s.exec("grant usage on schema plausible_webhooks to check_narrow")
	s.exec("grant select on all tables in schema plausible_webhooks to check_narrow")
	config := s.db.Config()
	s = s.with("DATABASE_URL=postgres://check_narrow:narrow@" + config.Host + ":" + itoa(config.Port) + "/" + config.Database)
	found := s.findings(exitFailed)
	s.wantFinding(found, "Plausible's tables", levelFailure, `GRANT SELECT ON public.sites, public.goals, public.spike_notifications TO "check_narrow"`)
	s.wantFinding(found, "REPLICATION", levelWarning, `ALTER ROLE "check_narrow" REPLICATION;`)
	s.wantFinding(found, "publication", levelWarning, "CREATE PUBLICATION plausible_webhooks FOR TABLE")
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
