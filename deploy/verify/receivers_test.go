package verify_test

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/schema"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
	"plausible-webhooks/deploy/devstack/stack"
	"plausible-webhooks/sender"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

// deliveryPatience bounds how long one delivery may take on a busy machine.
const deliveryPatience = 30 * time.Second

// scene is the real sender with its database, and one webhook.
type scene struct {
	t     *testing.T
	db    *pgxpool.Pool
	store *store.Store
	hook  int64

	refusal int // The receiver's status.
}

// newScene makes a webhook with a secret and starts the sender.
func newScene(t *testing.T, first secret.Text, refusal int) *scene {
	t.Helper()
	s := &scene{t: t, refusal: refusal}
	var err error
	if s.db, err = pgxpool.New(t.Context(), stack.TestDatabase(t, stack.V32)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	if err := s.db.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
		_, err := schema.Migrate(t.Context(), c.Conn())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	loopback, err := target.ParseAllowed("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	rules := sender.Defaults().Rules
	rules.AllowedTargets = []target.Allowed{loopback}
	keys, err := secret.NewKeyring(secret.Text{}, secret.New(strings.Repeat("0123456789abcdef", 4)))
	if err != nil {
		t.Fatal(err)
	}
	s.store = store.New(s.db, store.Options{Keys: keys, Targets: rules})
	if s.hook, _, err = s.store.Add(t.Context(), store.NewWebhook{URL: "http://127.0.0.1:1/", Secret: first}); err != nil {
		t.Fatal(err)
	}

	o := sender.Defaults()
	o.DB, o.Keys, o.Rules, o.Retries, o.PollInterval = s.db, keys, rules, 0, 20*time.Millisecond
	o.Logger = hclog.NewNullLogger()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sender.New(o).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

// deliver sends an event to an address and reports how that ended.
func (s *scene) deliver(to string) sender.Detail {
	s.t.Helper()
	e := event.Example(time.Now(), event.GoalCompleted, event.Site{ID: 1, Domain: "b\u00fccher.example"}, event.Webhook{ID: s.hook, Name: "<Ops & \u2603>"}, "https://plausible.example.com")
	payload, err := event.Render(e, event.Standard)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Update(s.t.Context(), s.hook, store.Changes{URL: &to}); err != nil {
		s.t.Fatal(err)
	}
	var id string
	if err := s.db.QueryRow(s.t.Context(), `insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, payload)
		values ($1, $2, $3) returning id::text`, s.hook, string(e.Type), payload).Scan(&id); err != nil {
		s.t.Fatal(err)
	}
	deadline := time.After(deliveryPatience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		d, err := sender.Show(s.t.Context(), s.db, id)
		if err != nil {
			s.t.Fatal(err)
		}
		if d.Status != sender.StatusPending {
			return d
		}
		select {
		case <-again.C:
		case <-deadline:
			s.t.Fatalf("delivery %s is pending after %s: %+v", id, deliveryPatience, d)
		}
	}
}

func (s *scene) accepts(what, to string) {
	s.t.Helper()
	if d := s.deliver(to); d.Status != sender.StatusDelivered {
		s.t.Errorf("%s: %s, %s; want it accepted", what, d.Status, *d.LastError)
	}
}

// refuses also tells a refusal from a receiver that is not there.
func (s *scene) refuses(what, to string) {
	s.t.Helper()
	d := s.deliver(to)
	if d.Status != sender.StatusFailed || d.LastStatusCode == nil || *d.LastStatusCode != s.refusal {
		s.t.Errorf("%s: %s; want it answered with %d: %+v", what, d.Status, s.refusal, d)
	}
}

// tampering hands requests on to an address with one byte of the body changed.
func tampering(t *testing.T, to string) string {
	t.Helper()
	address, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		body, err := io.ReadAll(r.In.Body)
		if err != nil {
			t.Error(err)
		}
		body = bytes.Replace(body, []byte(`"conversions":3`), []byte(`"conversions":4`), 1)
		r.Out.URL, r.Out.Host = address, address.Host
		r.Out.Body, r.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL + "/"
}

// What the real sender sends is accepted by what others wrote to verify it,
// also while a secret is replaced, and refused where it was changed on its way.
func TestReceiversOfOthersVerifyWhatIsSent(t *testing.T) {
	for _, receiver := range receivers {
		for kind, texts := range map[string][2]string{
			"whsec": {whsec, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
			"plain": {plain, "another secret, with \u00fc and spaces"},
		} {
			t.Run(receiver.name+"/"+kind, func(t *testing.T) {
				first, second := secret.New(texts[0]), secret.New(texts[1])
				base := receiver.start(t, map[string]secret.Text{"first": first, "second": second})
				s := newScene(t, first, receiver.refusal)

				s.accepts("the secret", base+"first")
				s.refuses("another secret", base+"second")
				s.refuses("a changed body", tampering(t, base+"first"))

				if _, kept, err := s.store.RotateSecret(t.Context(), s.hook, second, time.Hour); err != nil || !kept {
					t.Fatalf("rotate: %v, kept %v", err, kept)
				}
				s.accepts("during the rotation, the old secret", base+"first")
				s.accepts("during the rotation, the new secret", base+"second")
				s.refuses("during the rotation, a changed body under the old secret", tampering(t, base+"first"))
				s.refuses("during the rotation, a changed body under the new secret", tampering(t, base+"second"))

				if _, err := s.db.Exec(t.Context(), "update plausible_webhooks.webhooks set previous_secret_expires_at = now() where id = $1", s.hook); err != nil {
					t.Fatal(err)
				}
				s.refuses("after the rotation, the old secret", base+"first")
				s.accepts("after the rotation, the new secret", base+"second")
			})
		}
	}
}
