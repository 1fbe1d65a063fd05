package main

import (
	"regexp"
	"testing"

	"plausible-webhooks/deploy/devstack/stack"
)

// left tells what is in the database of the kinds that we make.
func (s shell) left() (schemas, publications, slots int) {
	s.t.Helper()
	s.scan(&schemas, "select count(*) from pg_namespace where nspname = 'plausible_webhooks'")
	s.scan(&publications, "select count(*) from pg_publication")
	s.scan(&slots, "select count(*) from pg_replication_slots where database = current_database()")
	return schemas, publications, slots
}

func (s shell) wantLeft(schemas, publications, slots int) {
	s.t.Helper()
	if a, b, c := s.left(); a != schemas || b != publications || c != slots {
		s.t.Errorf("%d schemas, %d publications, %d slots are left; want %d, %d, %d", a, b, c, schemas, publications, slots)
	}
}

// installed has everything that can be there, and more than ours.
func installed(t *testing.T) shell {
	t.Helper()
	s := newShell(t)
	s.run("webhook", "add", "--url", hookURL, "--site", "example.com").want(t, exitDone)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	s.exec("create publication plausible_webhooks for table public.sites")
	s.exec("select pg_create_logical_replication_slot('plausible_webhooks_forgotten', 'pgoutput')")
	t.Cleanup(func() {
		_, _ = s.db.Exec(background, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()")
	})
	s.exec("create publication of_others for table public.sites")
	s.exec("create schema reports")
	s.exec("create view reports.hooks as select id, name from plausible_webhooks.webhooks")
	return s
}

var (
	sizes     = regexp.MustCompile(`[\d.]+ (B|[KM]iB)\b`)
	databases = regexp.MustCompile(`postgres://\S+/test_\w+`)
)

func TestUninstallShowsAsksAndRemoves(t *testing.T) {
	s := installed(t)
	tables := func() (n int) {
		s.scan(&n, "select count(*) from pg_attribute where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)")
		return n
	}
	before := tables()
	r := s.run("uninstall")
	r.want(t, exitFailed, "--yes", "reports.hooks")
	s.wantLeft(1, 2, 1)
	golden(t, "uninstall", databases.ReplaceAllString(sizes.ReplaceAllString(r.stdout, "<size>"), "<database>"))
	for _, answer := range []string{"\n", "yes\n", "", "plausible_webhook\n"} {
		typeLine(t, true, s.environ, answer, "uninstall").want(t, exitFailed, "Type plausible_webhooks", "nothing was removed")
		s.wantLeft(1, 2, 1)
	}
	typeLine(t, true, s.environ, "plausible_webhooks\n", "uninstall").want(t, exitDone, "Removed.")
	s.wantLeft(0, 1, 0)
	if after := tables(); after != before {
		t.Errorf("Plausible's tables have %d columns, %d before", after, before)
	}
	s.run("uninstall").want(t, exitDone, "Nothing of plausible-webhooks is in")
	s.run("uninstall", "--yes").want(t, exitDone, "Nothing of plausible-webhooks is in")
	s.run("migrate").want(t, exitDone, "created") // And it can be had again.
}

func TestUninstallForScripts(t *testing.T) {
	s := installed(t)
	r := s.run("uninstall", "--yes", "--json")
	r.want(t, exitDone)
	got := decode(t, r.stdout)
	if got["removed"] != true || len(got["webhooks"].([]any)) != 2 || len(got["slots"].([]any)) != 1 || got["publication"] != true {
		t.Errorf("uninstall --json = %s", r.stdout)
	}
	s.wantLeft(0, 1, 0)
	r = s.run("uninstall", "--json")
	r.want(t, exitDone)
	if got := decode(t, r.stdout); got["removed"] != false || got["schema"] != false {
		t.Errorf("a second time: %s", r.stdout)
	}
}

// Of parts, the rest is removed.
func TestUninstallOfWhatIsLeft(t *testing.T) {
	s := installed(t)
	s.exec("drop schema plausible_webhooks cascade")
	s.exec("drop table public.sites cascade")
	s.run("uninstall", "--yes").want(t, exitDone, "replication slot plausible_webhooks_forgotten", "Removed.")
	s.wantLeft(0, 1, 0)
}

func TestUninstallWarnsOfARunningSidecar(t *testing.T) {
	s := emptyShell(t)
	w := newWorld(t, s.db.Config().ConnString(), stack.TestEvents(t))
	w.environ = append(w.environ, "DATABASE_URL="+w.database+"&application_name=another")
	w.startReady()
	w.following()
	w.until("it leads", patience, func() bool { return w.readiness().Leading })
	s.run("uninstall").want(t, exitFailed, "a sidecar is running (2 sessions)", "--yes")
	s.wantLeft(1, 1, 1)
	if err := w.process.Stop(); err != nil {
		t.Error(err)
	}
	r := s.run("uninstall", "--yes")
	r.want(t, exitDone, "Removed.")
	if regexp.MustCompile("is running").MatchString(r.stderr) {
		t.Errorf("one is said to run: %s", r.stderr)
	}
	s.wantLeft(0, 0, 0)
}
