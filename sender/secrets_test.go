package sender_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/deploy/devstack/receiver"
	"plausible-webhooks/sender"
)

func keyring(t *testing.T, letter string) secret.Keyring {
	t.Helper()
	ring, err := secret.NewKeyring(secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (b *bed) storedSecret(hook int64) string {
	b.t.Helper()
	return value[string](b, "select coalesce(secret, '') from plausible_webhooks.webhooks where id = $1", hook)
}

func TestMissingSecretIsMadeBeforeTheFirstAttempt(t *testing.T) {
	for name, ring := range map[string]secret.Keyring{"plain": {}, "sealed": keyring(t, "k")} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			hook := b.webhook(b.receiver.URL("/hook"), nil)
			b.enqueueMany(hook, 40)
			o := b.options()
			o.Keys = ring
			b.start(o)
			b.start(o) // Both at once must agree.
			for _, request := range b.requests("/hook", 40) {
				stored := b.storedSecret(hook)
				if secret.Sealed(stored) == ring.Empty() {
					t.Fatalf("got a secret sealed %t, want %t", secret.Sealed(stored), !ring.Empty())
				}
				plain, err := ring.Open(stored, "webhooks", "secret", hook)
				if err != nil {
					t.Fatal(err)
				}
				verifyStandard(t, plain.Reveal(), request)
			}
		})
	}
}

func TestPlainSecretsAreEncryptedAtFirstSight(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), "a plain secret of some length")
	b.exec("update plausible_webhooks.webhooks set previous_secret = 'the one before that one', previous_secret_expires_at = now() + interval '1 hour' where id = $1", hook)
	before := value[time.Time](b, "select updated_at from plausible_webhooks.webhooks where id = $1", hook)
	o := b.options()
	o.Keys = keyring(t, "k")
	b.start(o)
	b.until("both to be encrypted", func() bool {
		return value[bool](b, "select secret like 'enc1:%' and previous_secret like 'enc1:%' from plausible_webhooks.webhooks where id = $1", hook)
	})
	if got := value[time.Time](b, "select updated_at from plausible_webhooks.webhooks where id = $1", hook); !got.Equal(before) {
		t.Error("updated_at was touched")
	}
	b.enqueue(hook, "{}")
	request := b.requests("/hook", 1)[0]
	want := bodySignature("a plain secret of some length", request.Body) + "," + bodySignature("the one before that one", request.Body)
	if got := request.Header.Get("X-Webhook-Signature"); got != want {
		t.Errorf("got %q, want both secrets to sign: %q", got, want)
	}
	// Secrets that are not whsec_ sign with their own bytes.
	verifyStandard(t, base64.StdEncoding.EncodeToString([]byte("a plain secret of some length")), request)
	verifyStandard(t, base64.StdEncoding.EncodeToString([]byte("the one before that one")), request)
}

func TestRotation(t *testing.T) {
	const next = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), whsec)
	b.start(b.options())
	b.exec(`update plausible_webhooks.webhooks set secret = $2, previous_secret = $3, previous_secret_expires_at = now() + interval '1 hour' where id = $1`, hook, next, whsec)
	b.enqueue(hook, "{}")
	during := b.requests("/hook", 1)[0]
	verifyStandard(t, next, during)
	verifyStandard(t, whsec, during)
	if got, want := during.Header.Get("X-Webhook-Signature"), bodySignature(next, during.Body)+","+bodySignature(whsec, during.Body); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.exec(`update plausible_webhooks.webhooks set previous_secret_expires_at = now() where id = $1`, hook)
	b.enqueue(hook, "{}")
	after := b.requests("/hook", 2)[1]
	if got, want := after.Header.Get("X-Webhook-Signature"), bodySignature(next, after.Body); got != want {
		t.Errorf("got %q, want the new secret alone: %q", got, want)
	}
}

func TestCiphertextWithoutItsKeyWaits(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), nil)
	sealed, err := keyring(t, "a").Seal(secret.New(whsec), "webhooks", "secret", hook)
	if err != nil {
		t.Fatal(err)
	}
	b.exec("update plausible_webhooks.webhooks set secret = $2 where id = $1", hook, sealed)
	id := b.enqueue(hook, "{}")
	o := b.options()
	o.Keys = keyring(t, "b")
	b.start(o)
	// Others go on meanwhile, and the complaint comes once.
	other := b.webhook(b.receiver.URL("/other"), whsec)
	for range 3 {
		b.untilStatus(b.enqueue(other, "{}"), sender.StatusDelivered)
	}
	if d := b.show(id); d.Status != sender.StatusPending || d.Attempts != 0 || d.LastError == nil || !strings.Contains(*d.LastError, "rotate-secret") {
		t.Errorf("got %+v, want it to wait and say why", d)
	}
	if n := strings.Count(b.log.String(), "WEBHOOKS_SECRET_KEY"); n != 1 {
		t.Errorf("got %d complaints in the log, want 1:\n%s", n, b.log)
	}
	// rotate-secret mends it.
	b.exec("update plausible_webhooks.webhooks set secret = $2 where id = $1", hook, whsec)
	if d := b.untilStatus(id, sender.StatusDelivered); d.LastError != nil {
		t.Errorf("got %q, want no error left", *d.LastError)
	}
}

func TestChatFormatsAreNotSigned(t *testing.T) {
	b := newBed(t)
	hook := b.webhook(b.receiver.URL("/hook"), nil)
	b.exec("insert into plausible_webhooks.webhook_deliveries (webhook_id, event_type, format, payload) values ($1, 'traffic.spike', 'ntfy', 'hello')", hook)
	b.start(b.options())
	header := b.requests("/hook", 1)[0].Header
	if header.Get("X-Webhook-Signature") != "" || header.Get("Webhook-Signature") != "" || header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %v, want plain text without signatures", header)
	}
	if got := b.storedSecret(hook); got != "" {
		t.Error("a secret was made that nothing needs")
	}
}

// Neither a secret nor the path or query of a URL may reach the log, whatever
// goes wrong.
func TestLogHoldsNoSecretAndNoPath(t *testing.T) {
	b := newBed(t)
	o := b.options()
	o.Retries, o.Timeout = 1, 300*time.Millisecond
	s := b.start(o)
	var ids []string
	for _, behaviour := range []string{"200", "500", "302", "410", "hang", "empty", "garbage", "drip", "truncate", "retry-after:0"} {
		path := "/services/T0PSECRET/" + behaviour
		b.receiver.Behave(path, receiver.Must(behaviour))
		ids = append(ids, b.enqueue(b.webhook(b.receiver.URL(path+"?token=T0KEN"), whsec), `{"p":"PAYL0AD"}`))
	}
	for _, url := range []string{
		"https://10.0.0.1/services/T0PSECRET", "http://example.com/services/T0PSECRET", "T0PSECRET", "https://us:T0PSECRET@example.com/",
		"https://127.0.0.1:1/services/T0PSECRET", "https://nowhere.invalid/services/T0PSECRET", "https://127.0.0.1/%zzT0PSECRET", "ftp://x/T0PSECRET",
	} {
		ids = append(ids, b.enqueue(b.webhook(url, whsec), "{}"))
	}
	unusable := b.enqueue(b.webhook(b.receiver.URL("/services/T0PSECRET"), "whsec_T0PSECRET"), "{}")
	ids = append(ids, unusable)
	b.until("all to be finished", func() bool { return b.count("status = 'pending'") == 0 })
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	log := b.log.String()
	if !strings.Contains(log, "attempt failed") {
		t.Fatalf("the log is silent:\n%s", log)
	}
	everything := log
	for _, id := range ids {
		everything += strings.Join(texts(b.show(id).AttemptLog), "\n")
	}
	for _, hidden := range []string{"T0PSECRET", "T0KEN", "PAYL0AD", "services", whsec, whsec[6:]} {
		if i := strings.Index(everything, hidden); i >= 0 {
			t.Errorf("%s is shown: …%s…", hidden, everything[max(0, i-200):min(len(everything), i+100)])
		}
	}
}
