package cdc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/deploy/devstack/stack"
)

func TestColumnsThatComeAndGoWhileFollowing(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	goal := w.goal(site, stack.Goal{PagePath: "/thanks", CustomProps: map[string]string{"plan": "pro"}})
	silent := w.goal(site, stack.Goal{PagePath: "/silent", CustomProps: map[string]string{"plan": "pro"}})
	f := follow(t, w.url, Options{})
	f.replicates()
	props := func(id int64, name string, want string) {
		t.Helper()
		f.sees(patience, "the goal "+name+" with plan="+want, func(v *config.View) bool {
			g, ok := v.Goal(id)
			return ok && (name == "" || g.DisplayName == name) && g.CustomProps["plan"] == want
		})
	}
	props(goal, "", "pro")

	// As the migrations of v3.2 do: dropped, then added with another default.
	w.exec("alter table goals drop column custom_props")
	w.exec("update goals set display_name = 'without' where id = $1", goal)
	props(goal, "without", "")
	props(silent, "", "") // No message tells of it: a comparison finds it.

	w.exec(`alter table goals add column custom_props jsonb not null default '{"plan": "free"}'`)
	w.exec("update goals set display_name = 'with' where id = $1", goal)
	props(goal, "with", "free")
	props(silent, "", "free")

	w.exec("alter table goals add column something_new text default 'x'")
	w.exec("update goals set display_name = 'more' where id = $1", goal)
	props(goal, "more", "free")
}

func TestTableDroppedAndMadeAgain(t *testing.T) {
	w := newWorld(t, stack.V32)
	site := w.site("a.example")
	f := follow(t, w.url, Options{})
	f.replicates()
	w.exec("create table goals_copy (like goals including all)")
	w.exec("drop table goals cascade")
	w.exec("alter table goals_copy rename to goals")
	w.exec("alter table goals alter column id drop identity if exists")
	w.exec("insert into goals (id, site_id, event_name, display_name, inserted_at, updated_at) values (1000, $1, 'Signup', 'Signup', now(), now())", site)

	before := f.sessions()
	f.askToCompare()
	f.sees(patience, "the goal of the new table", func(v *config.View) bool { _, ok := v.Goal(1000); return ok })
	f.until(patience, "another session", func() bool { return f.sessions() > before })
	f.replicates()
	w.exec("update goals set display_name = 'renamed' where id = 1000")
	f.sees(promised, "a change in the new table", func(v *config.View) bool {
		g, _ := v.Goal(1000)
		return g.DisplayName == "renamed"
	})
}

func TestMissingRequiredColumnKeepsTheLastView(t *testing.T) {
	for _, source := range []Source{SourceReplication, SourcePoll} {
		t.Run(string(source), func(t *testing.T) {
			w := newWorld(t, stack.V32)
			goal := w.goal(w.site("a.example"), stack.Goal{PagePath: "/thanks"})
			f := follow(t, w.url, Options{Source: source})
			f.sees(patience, "the goal", func(v *config.View) bool { _, ok := v.Goal(goal); return ok })
			if source == SourceReplication {
				f.replicates()
			}
			w.exec("alter table goals rename column page_path to path")
			w.exec("update goals set path = '/later'")
			f.until(patience, "an unhealthy status that names table and column", func() bool {
				s := f.Status()
				return !s.Healthy && strings.Contains(s.Reason, "public.goals lacks column page_path")
			})
			if g, _ := f.View().Goal(goal); g.PagePath != "/thanks" {
				t.Errorf("the goal became %+v, want the last good one", g)
			}
			w.exec("alter table goals rename column path to page_path")
			f.sees(patience, "the column again", func(v *config.View) bool {
				g, _ := v.Goal(goal)
				return g.PagePath == "/later"
			})
			f.until(patience, "health", func() bool { return f.Status().Healthy })
		})
	}
}

func TestMissingTable(t *testing.T) {
	w := newWorld(t, stack.V32)
	w.exec("drop schema plausible_webhooks cascade")
	f := follow(t, w.url, Options{})
	f.until(patience, "a status that names the table", func() bool {
		return strings.Contains(f.Status().Reason, "table plausible_webhooks.webhooks is missing: run plausible-webhooks migrate")
	})
	if f.View() != nil || f.Status().Healthy || f.Status().Revision != 0 {
		t.Errorf("view %v, status %+v; want none and unhealthy", f.View(), f.Status())
	}
}

func TestSchemaErrorNamesTheRemedy(t *testing.T) {
	plausible := (&SchemaError{Table: "public.goals", Column: "site_id"}).Error()
	if !strings.Contains(plausible, "public.goals lacks column site_id") || !strings.Contains(plausible, "install a release") {
		t.Errorf("error is %q", plausible)
	}
	wait := &SlotWaitError{Waited: 10 * time.Second, Blockers: []Blocker{
		{PID: 7, Application: "psql", State: "idle in transaction", Age: 90 * time.Second}, {},
	}}
	want := "the replication slot waited 10s for the transaction of pid 7 (psql), idle in transaction, open for 1m30s, " +
		"a prepared transaction (see pg_prepared_xacts); it starts when that transaction ends (pg_terminate_backend ends it by force)"
	if got := wait.Error(); got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
	cause := errors.New("cause")
	if err := error(&UnavailableError{Reason: "a", Remedy: "b", Err: cause}); !errors.Is(err, cause) || err.Error() != "a; b" {
		t.Errorf("error is %q", err)
	}
}
