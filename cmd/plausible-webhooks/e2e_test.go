package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/deploy/devstack/stack"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const hookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// A webhook and a trigger of plain SQL, events of plain SQL, and the request
// is there within the poll interval and a second.
func TestSpikeFromEventsToReceiver(t *testing.T) {
	const usualInterval = 5 * time.Second // The default, for which the promise is made.
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.environ = append(w.environ, "WEBHOOKS_POLL_INTERVAL="+usualInterval.String())
	w.addSite(1, "example.com")
	w.startReady()
	w.following()

	hook := w.addHook(1, "/spike", hookSecret)
	w.visit(1, 5, w.addTrigger(hook, "traffic.spike", 5))
	inserted := time.Now()
	request := w.received("/spike", 1, patience)[0]
	if took := request.At.Sub(inserted); took > usualInterval+time.Second {
		t.Errorf("the spike arrived %v after its events; want at most %v", took, usualInterval+time.Second)
	}
	var payload struct {
		Type string
		Data struct {
			Site             struct{ Domain string }
			Webhook          struct{ ID int64 }
			Trigger          struct{ Threshold int }
			Current_visitors int
			Dashboard_url    string
		}
	}
	if err := json.Unmarshal(request.Body, &payload); err != nil {
		t.Fatal(err)
	}
	if d := payload.Data; payload.Type != "traffic.spike" || d.Site.Domain != "example.com" || d.Webhook.ID != hook || d.Trigger.Threshold != 5 ||
		d.Current_visitors != 5 || !strings.HasPrefix(d.Dashboard_url, "https://plausible.example.com/") {
		t.Errorf("payload %s", request.Body)
	}
	verify(t, request)

	delivery := request.Header.Get("webhook-id")
	if status := w.finished(delivery); status != "delivered" {
		t.Errorf("the delivery is %s; want delivered", status)
	}
	if stored := value[string](w, "select payload from plausible_webhooks.webhook_deliveries where id = $1::uuid", delivery); stored != string(request.Body) {
		t.Errorf("stored payload %s; want the bytes that were sent", stored)
	}
	if !value[bool](w, `select count(*) = 1 and bool_and(attempt = 1 and status_code = 200 and duration_ms >= 0 and error is null)
		from plausible_webhooks.webhook_delivery_attempts where delivery_id = $1::uuid`, delivery) {
		t.Error("the attempts do not tell of one that was answered 200")
	}
	story, err := w.process.Command(t.Context(), "delivery", "show", delivery)
	if err != nil || !strings.Contains(story, "delivered") || !strings.Contains(story, `"current_visitors": 5`) {
		t.Errorf("delivery show: %v\n%s", err, story)
	}
	w.until("the secret of plain SQL is encrypted", patience, func() bool {
		return strings.HasPrefix(value[string](w, "select secret from plausible_webhooks.webhooks where id = $1", hook), "enc1:")
	})
	if log := w.log.String(); strings.Contains(log, "/spike") || strings.Contains(log, hookSecret) {
		t.Error("the log holds the URL's path or the secret")
	}
}

// verify checks both signatures: with the Standard Webhooks library, and the
// simple one with openssl.
func verify(t *testing.T, request receiver.Request) {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify(request.Body, request.Header); err != nil {
		t.Errorf("Standard Webhooks: %v", err)
	}
	openssl := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-hmac", hookSecret, "-r")
	openssl.Stdin = strings.NewReader(string(request.Body))
	out, err := openssl.Output()
	if err != nil {
		t.Fatal(err)
	}
	digest, _, _ := strings.Cut(string(out), " ")
	if got := request.Header.Get("X-Webhook-Signature"); got != "sha256="+digest {
		t.Errorf("X-Webhook-Signature = %s; want what openssl finds, sha256=%s", got, digest)
	}
	if _, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(request.Header.Get("webhook-signature"), "v1,")); err != nil {
		t.Errorf("webhook-signature: %v", err)
	}
}

func TestKilledSidecarLeavesNoSlot(t *testing.T) {
	server := stack.TestPostgresWith(t, stack.PostgresOptions{})
	database, err := server.CreateDatabase(t.Context(), "killed", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, database, stack.TestEvents(t))
	w.startReady()
	w.following()
	if slots := value[int](w, "select count(*) from pg_replication_slots"); slots != 1 {
		t.Fatalf("%d slots while it runs; want 1, or the rest shows nothing", slots)
	}
	if err := syscall.Kill(w.process.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-w.process.Exited()
	w.until("the slot is gone", patience, func() bool { return value[int](w, "select count(*) from pg_replication_slots") == 0 })
}

func TestWithoutLogicalReplicationItPollsAndWarnsOnce(t *testing.T) {
	server := stack.TestPostgresWith(t, stack.PostgresOptions{WALLevel: "replica"})
	database, err := server.CreateDatabase(t.Context(), "polled", stack.V32)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, database, stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.startReady()
	before := w.readiness()
	if before.Config.Mode != "poll" || !before.Config.Healthy {
		t.Errorf("config %+v; want healthy polling", before.Config)
	}
	hook := w.addHook(1, "/polled", hookSecret)
	w.visit(1, 3, w.addTrigger(hook, "traffic.spike", 3))
	w.received("/polled", 1, patience)
	w.until("several reads", patience, func() bool { return w.readiness().Config.Confirmed.Sub(before.Config.Confirmed) > 9*time.Second })
	if n := w.log.count("[WARN]"); n != 1 || w.log.count("wal_level") != 1 {
		t.Errorf("%d warnings; want one, about wal_level", n)
	}
	if metrics := w.metrics(); !strings.Contains(metrics, "plausible_webhooks_config_replication 0") || !strings.Contains(metrics, `plausible_webhooks_firings_total{type="traffic.spike"} 1`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	if reasons := strings.Join(w.readiness().Reasons, "\n"); !strings.Contains(reasons, "polled") || !strings.Contains(reasons, "wal_level=logical") {
		t.Errorf("/readyz does not tell why settings are polled: %q", reasons)
	}
}

func (w *world) metrics() string {
	w.t.Helper()
	answer, err := http.Get("http://" + w.process.Admin + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

func TestGracefulStop(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.startReady()
	w.receiver.Behave("/slow", receiver.Must("slow:2s"))
	w.receiver.Behave("/failing", receiver.Must("503"))
	inFlight := w.enqueue(w.addHook(1, "/slow", ""))
	waiting := w.enqueue(w.addHook(1, "/failing", ""))
	w.received("/failing", 1, patience)
	w.received("/slow", 1, patience)
	if err := w.process.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if status := value[string](w, "select status from plausible_webhooks.webhook_deliveries where id = $1::uuid", inFlight); status != "delivered" {
		t.Errorf("the attempt in flight came to %s; want it finished", status)
	}
	if !value[bool](w, "select status = 'pending' and claimed_until is null from plausible_webhooks.webhook_deliveries where id = $1::uuid", waiting) {
		t.Error("what waited for its retry is still claimed, or gone; want it released")
	}
	if slots := value[int](w, "select count(*) from pg_replication_slots where database = current_database()"); slots != 0 {
		t.Errorf("%d slots are left; want none", slots)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.environ = append(w.environ, "WEBHOOKS_TIMEOUT=30s")
	w.startReady()
	w.receiver.Behave("/hanging", receiver.Must("hang"))
	w.enqueue(w.addHook(1, "/hanging", ""))
	w.received("/hanging", 1, patience)
	signal := func() {
		if err := syscall.Kill(w.process.PID(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	w.until("it says that it stops", patience, func() bool { return w.log.count("stopping") > 0 })
	signal()
	select {
	case <-w.process.Exited():
	case <-time.After(4 * time.Second): // Without the second signal it would take 8 s.
		t.Error("still there 4 s after the second signal")
	}
}

func TestInstanceWebhookOfTheEnvironment(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.exec("insert into public.spike_notifications (site_id, type, threshold, inserted_at, updated_at) values (1, 'spike', 4, now(), now())")
	w.environ = append(w.environ, "WEBHOOKS_URL="+w.receiver.URL("/all"), "WEBHOOKS_SECRET="+hookSecret)
	w.startReady()
	from := value[time.Time](w, "select max(inserted_at) from plausible_webhooks.webhook_triggers").Truncate(time.Second).Add(time.Second)
	w.visit(1, 4, from)
	verify(t, w.received("/all", 1, patience)[0])
	list, err := w.process.Command(t.Context(), "webhook", "list")
	if err != nil || !strings.Contains(list, "(WEBHOOKS_URL)") || strings.Contains(list, "/all") {
		t.Errorf("webhook list: %v\n%s", err, list)
	}
}

func TestTestCommandAgainstARunningSidecar(t *testing.T) {
	w := newWorld(t, stack.TestDatabase(t, stack.V32), stack.TestEvents(t))
	w.addSite(1, "example.com")
	w.startReady()
	w.receiver.Behave("/test", receiver.Must("fail:1"))
	added, err := w.process.Command(t.Context(), "webhook", "add", "--site", "example.com", "--url", w.receiver.URL("/test"), "--json")
	if err != nil {
		t.Fatal(err)
	}
	if id := decode(t, added)["id"]; id != 1.0 {
		t.Fatalf("id %v; want 1", id)
	}
	told, err := w.process.Command(t.Context(), "webhook", "test", "1")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"attempt 1: 500 after ", "attempt 2: 200 after ", "Delivered."} {
		if !strings.Contains(told, part) {
			t.Errorf("webhook test tells nothing of %q:\n%s", part, told)
		}
	}
}

func TestExitCodesOfTheProgram(t *testing.T) {
	binary, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tests := []struct {
		args []string
		env  []string
		code int
	}{
		{[]string{"version"}, nil, 0},
		{[]string{"run"}, []string{"CONFIG_DIR=/nonexistent", "WEBHOOKS_RETRIES=many"}, 2},
		{nil, []string{"CONFIG_DIR=/nonexistent"}, 2}, // Without a command it runs, and BASE_URL is missing.
		{[]string{"webhok"}, nil, 2},
		{[]string{"webhook", "list"}, []string{"CONFIG_DIR=/nonexistent", "DATABASE_URL=postgres://127.0.0.1:1/nothing"}, 1},
	}
	for _, test := range tests {
		command := exec.CommandContext(ctx, binary, test.args...)
		command.Env = append([]string{"PATH="}, test.env...)
		out, err := command.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if code != test.code {
			t.Errorf("%v: exit code %d; want %d\n%s", test.args, code, test.code, out)
		}
	}
}
