package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestLifeOfAWebhookOnTheCommandLine(t *testing.T) {
	s := newShell(t)
	empty := s.run("webhook", "list")
	empty.want(t, exitDone, "No webhooks yet", "webhook add")

	added := s.run("webhook", "add", "--site", "example.com", "--url", hookURL, "--name", "Ops ☎",
		"--trigger", "traffic.spike,threshold=100,window=5m,recovery", "--trigger", `goal.completed,goal="Paid, ""yearly"""`,
		"--trigger", "goal.threshold,goal=Signup,threshold=100,window=1h,recovery", "--trigger", "goal.threshold,threshold=20,cooldown=30m,once")
	added.want(t, exitDone)
	golden(t, "add", added.stdout)
	if n := len(secrets.FindAllString(added.stdout, -1)); n != 1 {
		t.Errorf("the secret is shown %d times; want once", n)
	}
	s.run("webhook", "add", "--url", "https://hooks.slack.example.com/T0", "--format", "slack").want(t, exitDone, "(all sites)", "never fires")

	list := s.run("webhook", "list")
	list.want(t, exitDone)
	golden(t, "list", list.stdout)

	updated := s.run("webhook", "update", "1", "--name", "", "--disable", "--trigger", "traffic.spike,threshold=200", "--remove-trigger", `goal.completed,goal="Paid, ""yearly"""`,
		"--trigger", "goal.threshold,goal=Signup,threshold=150", "--remove-trigger", "goal.threshold")
	updated.want(t, exitDone)
	golden(t, "update", updated.stdout)

	rotated := s.run("webhook", "rotate-secret", "1", "--overlap", "1h")
	rotated.want(t, exitDone, "The old one signs too until", "whsec_")

	shown := s.run("webhook", "list", "--json")
	shown.want(t, exitDone)
	golden(t, "list_json", shown.stdout)

	for _, r := range []result{list, updated, shown} {
		if strings.Contains(r.stdout+r.stderr, "secret-path") || secrets.MatchString(r.stdout+r.stderr) {
			t.Errorf("a secret or a URL's path is shown:\n%s%s", r.stdout, r.stderr)
		}
	}
	s.run("webhook", "remove", "1").want(t, exitDone, "https://hooks.example.com removed")
	s.run("webhook", "remove", "1").want(t, exitFailed, "there is no such webhook")
}

func TestAddAsJSON(t *testing.T) {
	s := newShell(t)
	own := "a secret that a person chose"
	added := decode(t, s.runWith(own+"\n", "webhook", "add", "--url", hookURL, "--secret-file", "-", "--json").stdout)
	if added["secret"] != own || added["secret_whsec"] != "whsec_YSBzZWNyZXQgdGhhdCBhIHBlcnNvbiBjaG9zZQ==" || added["url"] != "https://hooks.example.com" {
		t.Errorf("add --json = %v", added)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("another secret of a person\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated := decode(t, s.run("webhook", "rotate-secret", "1", "--secret-file", file, "--json").stdout)
	if rotated["secret"] != "another secret of a person" || rotated["previous_secret_expires_at"] == nil {
		t.Errorf("rotate-secret --json = %v", rotated)
	}
	var stored string
	s.scan(&stored, "select secret from plausible_webhooks.webhooks where id = 1")
	if !strings.HasPrefix(stored, "enc1:") {
		t.Errorf("stored secret %q; want it encrypted", stored)
	}
}

func TestMistakesNameTheFlag(t *testing.T) {
	s := newShell(t)
	r := s.runWith("short", "webhook", "add", "--site", "exmaple.com", "--url", "http://10.0.0.1/x", "--format", "xml", "--secret-file", "-",
		"--trigger", "goal.completed,threshold=5", "--trigger", "goal.threshold,goal=Signup")
	r.want(t, exitMistaken, "--site: ", `did you mean "example.com"?`, "--url: ", "--format: ", "--secret-file: ", "--trigger (number 1), threshold: ",
		"--trigger (number 2), threshold: goal.threshold needs one: how many completions within the window make it fire")
	if strings.Contains(r.stderr, "short") {
		t.Errorf("the secret is shown: %s", r.stderr)
	}
	s.runWith("", "webhook", "add", "--url", hookURL, "--secret-file", "-").want(t, exitMistaken, "--secret-file: there is no secret in standard input")
	s.run("webhook", "add", "--url", hookURL, "--secret-file", "/nonexistent").want(t, exitFailed, "read the secret")
	s.run("webhook", "list", "--site", "exmaple.com").want(t, exitMistaken, "--site: ", "did you mean")
	s.run("webhook", "update", "9").want(t, exitFailed, "webhook 9: there is no such webhook")
}

func TestTheEnvironmentsWebhookIsNotEdited(t *testing.T) {
	s := newShell(t)
	s.exec("insert into plausible_webhooks.webhooks (url, managed_by) values ('https://example.com', 'environment')")
	s.run("webhook", "list").want(t, exitDone, "(WEBHOOKS_URL)")
	for _, line := range [][]string{{"update", "1", "--name", "x"}, {"remove", "1"}, {"rotate-secret", "1"}} {
		s.run(append([]string{"webhook"}, line...)...).want(t, exitFailed, "change the WEBHOOKS_")
	}
}

func TestMistakesOfTheEnvironment(t *testing.T) {
	s := newShell(t)
	s.with("WEBHOOKS_RETRIES=many", "WEBHOOKS_POLL_INTERVAL=fast").run("webhook", "list").
		want(t, exitMistaken, "the environment has 2 mistakes", "WEBHOOKS_RETRIES", "WEBHOOKS_POLL_INTERVAL")
	s.with("WEBHOOKS_RETRYS=3").run("webhook", "list").want(t, exitDone, "warning: WEBHOOKS_RETRYS", "WEBHOOKS_RETRIES")
	s.with("DATABASE_URL=postgres://someone:hunter2@127.0.0.1:1/nothing").run("webhook", "list").want(t, exitFailed, "connect to PostgreSQL at postgres://127.0.0.1:1/nothing")
	r := s.with("DATABASE_URL=postgres://someone:hunter2@127.0.0.1:1/nothing").run("webhook", "list")
	if strings.Contains(r.stderr, "hunter2") {
		t.Errorf("the password is shown: %s", r.stderr)
	}
}

func TestMigrateCommand(t *testing.T) {
	s := emptyShell(t)
	s.run("webhook", "list").want(t, exitFailed, "plausible-webhooks migrate")
	s.run("migrate").want(t, exitDone, "created (version")
	s.run("migrate").want(t, exitDone, "up to date")
	s.exec("update plausible_webhooks.schema_version set version = version + 1")
	s.run("migrate").want(t, exitDone, "newer than this program")
	s.run("webhook", "list").want(t, exitDone, "No webhooks yet")
}

func TestWebhookTestTellsEachAttempt(t *testing.T) {
	s := newShell(t)
	s.run("webhook", "add", "--site", "example.com", "--url", hookURL, "--trigger", "goal.completed").want(t, exitDone)
	// Stands in for a sidecar: a database trigger that finishes each delivery as it is inserted.
	s.exec(`create function public.send() returns trigger language plpgsql as $$ begin
		insert into plausible_webhooks.webhook_delivery_attempts values
			(new.id, 1, now(), 12, 500, 'answered 500', null), (new.id, 2, now(), 34, 200, null, 'fine');
		update plausible_webhooks.webhook_deliveries set status = 'delivered', attempts = 2, last_status_code = 200 where id = new.id;
		return null; end $$`)
	s.exec("create trigger send after insert on plausible_webhooks.webhook_deliveries for each row execute function public.send()")
	r := s.run("webhook", "test", "1")
	r.want(t, exitDone, "is on its way to https://hooks.example.com.", "attempt 1: 500 after 12 ms, answered 500", "attempt 2: 200 after 34 ms", "Delivered.")
	var example string
	s.scan(&example, "select payload::json -> 'data' -> 'example' ->> 'type' from plausible_webhooks.webhook_deliveries")
	if example != "goal.completed" {
		t.Errorf("the example is of %s; want the webhook's first trigger's type", example)
	}
	told := decode(t, s.run("webhook", "test", "1", "--json").stdout)
	if told["status"] != "delivered" || len(told["attempt_log"].([]any)) != 2 {
		t.Errorf("webhook test --json = %v", told)
	}
}

func TestWebhookTestWithAGoalThreshold(t *testing.T) {
	s := newShell(t)
	s.run("webhook", "add", "--site", "example.com", "--url", hookURL, "--trigger", "goal.threshold,threshold=5").want(t, exitDone)
	for _, line := range [][]string{{}, {"--event", "goal.threshold"}, {"--event", "goal.threshold.ended"}} {
		s.run(append([]string{"webhook", "test", "1", "--wait", "0"}, line...)...).want(t, exitDone)
	}
	rows, err := s.db.Query(t.Context(), "select payload::json -> 'data' -> 'example' ->> 'type' from plausible_webhooks.webhook_deliveries order by inserted_at")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"goal.threshold", "goal.threshold", "goal.threshold.ended"}, got); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
}

func TestWebhookTestWithoutASidecar(t *testing.T) {
	s := newShell(t)
	s.run("webhook", "add", "--url", hookURL).want(t, exitDone)
	s.run("webhook", "test", "1", "--wait", "300ms").want(t, exitFailed, "Nobody has taken it yet")
	s.run("webhook", "test", "1", "--wait", "0").want(t, exitDone, "delivery show")
	s.run("webhook", "test", "1", "--event", "traffic.surge").want(t, exitMistaken, "--event: ")
	s.run("webhook", "update", "1", "--disable").want(t, exitDone, "paused")
	s.run("webhook", "test", "1").want(t, exitFailed, "webhook update 1 --enable")
}

func TestTheFormatOfAChatServiceIsSuggested(t *testing.T) {
	s := newShell(t)
	const slack, hint = "https://hooks.slack.com/services/T0/secret-path", "hint: hooks.slack.com takes format slack, and the webhook's is standard: plausible-webhooks webhook update 1 --format slack\n"
	added := s.run("webhook", "add", "--url", slack, "--json")
	added.want(t, exitDone)
	if added.stderr != hint || decode(t, added.stdout)["format"] != "standard" {
		t.Errorf("got %q and %s; want the hint and what was asked for", added.stderr, added.stdout)
	}
	s.run("webhook", "update", "1", "--url", hookURL).want(t, exitDone)
	if moved := s.run("webhook", "update", "1", "--url", slack); moved.stderr != hint {
		t.Errorf("moved there: got %q; want the hint", moved.stderr)
	}
	for _, line := range [][]string{
		{"update", "1", "--format", "slack"}, {"update", "1", "--url", slack}, {"update", "1", "--name", "x"},
		{"add", "--url", slack, "--format", "standard"}, {"add", "--url", hookURL}, {"add", "--url", slack, "--format", "slack"},
	} {
		if r := s.run(append([]string{"webhook"}, line...)...); r.code != exitDone || r.stderr != "" {
			t.Errorf("%v: %d, %q; want no hint", line, r.code, r.stderr)
		}
	}
}
