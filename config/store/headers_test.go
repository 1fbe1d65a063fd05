package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"

	"github.com/google/go-cmp/cmp"
)

func custom(pairs ...string) (headers []header.Header) {
	for i := 0; i < len(pairs); i += 2 {
		headers = append(headers, header.Header{Name: pairs[i], Value: secret.New(pairs[i+1])})
	}
	return headers
}

// openedHeaders are a webhook's headers as the sender will see them.
func (p place) openedHeaders(id int64) (lines []string) {
	p.t.Helper()
	var text string
	p.scan(&text, "select headers::text from plausible_webhooks.webhooks where id = $1", id)
	stored, err := header.Read(id, text)
	if err != nil {
		p.t.Fatal(err)
	}
	headers, err := stored.OpenAll(keyring(p.t, key))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, h := range headers {
		lines = append(lines, h.Name+"="+h.Value.Reveal())
	}
	return lines
}

func (p place) wantHeaders(id int64, want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.openedHeaders(id)); diff != "" {
		p.t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestHeadersAndTimeoutOfANewWebhook(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Headers: custom("X-Key", "T0KEN", "Authorization", "Bearer T0KEN"), TimeoutSeconds: 30})
	p.wantHeaders(id, "Authorization=Bearer T0KEN", "X-Key=T0KEN")
	w := p.mustGet(id)
	if diff := cmp.Diff([]string{"Authorization", "X-Key"}, w.HeaderNames); diff != "" || w.TimeoutSeconds != 30 {
		t.Errorf("timeout %d, names (-want +got):\n%s", w.TimeoutSeconds, diff)
	}
	if shown := fmt.Sprintf("%+v", w); strings.Contains(shown, "T0KEN") {
		t.Errorf("a value is read back: %s", shown)
	}
	var text string
	p.scan(&text, "select headers::text from plausible_webhooks.webhooks where id = $1", id)
	if strings.Contains(text, "T0KEN") {
		t.Errorf("stored as they are: %s", text)
	}
	bare, _ := p.mustAdd(store.NewWebhook{})
	if w := p.mustGet(bare); len(w.HeaderNames) != 0 || w.TimeoutSeconds != 0 {
		t.Errorf("got %+v, want neither headers nor a timeout", w)
	}
}

func TestMistakesInHeadersAndTimeout(t *testing.T) {
	p := newPlace(t)
	wrong := custom("Host", "T0KEN", "X-Key", "T0KEN\r\nX: y", "X-Key: T0KEN", "v", "x-key", "v")
	_, _, err := p.Add(t.Context(), store.NewWebhook{URL: hookURL, Headers: wrong, TimeoutSeconds: 31})
	fields := []string{"timeout", "headers[0].name", "headers[1].value", "headers[2].name", "headers[3].name"}
	wantFields(t, err, fields...)
	if strings.Contains(err.Error(), "T0KEN") {
		t.Errorf("a value is shown: %v", err)
	}
	id, _ := p.mustAdd(store.NewWebhook{Headers: custom("X-Key", "v")})
	before := p.mustGet(id)
	wantFields(t, p.Update(t.Context(), id, store.Changes{PutHeaders: wrong, TimeoutSeconds: pointer(-1)}), fields...)
	wantFields(t, p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-Fine", "v"), DropHeaders: []string{"X-Other"}}), "drop-headers[0]")
	if diff := cmp.Diff(before, p.mustGet(id), cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Errorf("a refused update changed the webhook:\n%s", diff)
	}
}

func TestUpdateOfHeadersAndTimeout(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Headers: custom("X-Key", "old", "X-Other", "kept", "X-Gone", "v"), TimeoutSeconds: 10})
	before := p.mustGet(id)
	if err := p.Update(t.Context(), id, store.Changes{Name: pointer("Ops")}); err != nil {
		t.Fatal(err)
	}
	p.wantHeaders(id, "X-Gone=v", "X-Key=old", "X-Other=kept")
	named := p.mustGet(id)
	if named.TimeoutSeconds != 10 {
		t.Errorf("renaming made the timeout %d; want it left alone", named.TimeoutSeconds)
	}
	if err := p.Update(t.Context(), id, store.Changes{PutHeaders: custom("x-key", "new"), DropHeaders: []string{"x-GONE"}}); err != nil {
		t.Fatal(err)
	}
	p.wantHeaders(id, "X-Other=kept", "x-key=new")
	after := p.mustGet(id)
	if !after.UpdatedAt.After(named.UpdatedAt) || !named.UpdatedAt.After(before.UpdatedAt) || !after.RestartedAt.IsZero() {
		t.Errorf("updated %v, %v, %v, restarted %v; want updated each time and never restarted", before.UpdatedAt, named.UpdatedAt, after.UpdatedAt, after.RestartedAt)
	}
	// Dropped first and then put: the same name in both is a replacement.
	if err := p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-Key", "newer"), DropHeaders: []string{"x-key"}, TimeoutSeconds: pointer(0)}); err != nil {
		t.Fatal(err)
	}
	p.wantHeaders(id, "X-Key=newer", "X-Other=kept")
	var timeout *int
	p.scan(&timeout, "select timeout_seconds from plausible_webhooks.webhooks where id = $1", id)
	if timeout != nil {
		t.Errorf("timeout %d; want null for the default", *timeout)
	}
}

// Bounds are those of all headers that a webhook has afterwards.
func TestLimitsOfHeadersCountThoseThatAreThere(t *testing.T) {
	p := newPlace(t)
	var twenty []header.Header
	for i := range 20 {
		twenty = append(twenty, custom(fmt.Sprintf("X-%d", i), "v")...)
	}
	id, _ := p.mustAdd(store.NewWebhook{Headers: twenty})
	wantFields(t, p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-20", "v")}), "headers")
	if err := p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-20", "v"), DropHeaders: []string{"X-0"}}); err != nil {
		t.Error(err)
	}
	large := strings.Repeat("v", header.MaxValueBytes)
	wantFields(t, p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-1", large, "X-2", large)}), "headers")
	if err := p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-1", large)}); err != nil {
		t.Error(err)
	}
}

// What others wrote is kept as it is, can be removed, and is told where it
// cannot be used.
func TestHeadersThatOthersWrote(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{})
	p.exec(`update plausible_webhooks.webhooks set headers = '{"X-Plain": "T0KEN", "X-Number": 5, "Host": "T0KEN"}' where id = $1`, id)
	unusable, err := p.UnusableHeaders(t.Context())
	if err != nil || len(unusable) != 2 || unusable[0].WebhookID != id || unusable[0].Name != "Host" || unusable[1].Name != "X-Number" || unusable[0].Waits() || strings.Contains(fmt.Sprint(unusable), "T0KEN") {
		t.Errorf("UnusableHeaders = %+v, %v; want Host and X-Number", unusable, err)
	}
	if err := p.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-Key", "v"), DropHeaders: []string{"host", "x-number"}}); err != nil {
		t.Fatal(err)
	}
	p.wantHeaders(id, "X-Key=v", "X-Plain=T0KEN")
	if unusable, err = p.UnusableHeaders(t.Context()); err != nil || len(unusable) != 0 {
		t.Errorf("UnusableHeaders = %+v, %v; want none", unusable, err)
	}
}

func TestHeadersWithALostKey(t *testing.T) {
	p := newPlace(t)
	id, _ := p.mustAdd(store.NewWebhook{Headers: custom("X-Key", "v", "X-Other", "w")})
	other := p.with(store.Options{Keys: keyring(t, otherKey), Targets: rules()})
	unusable, err := other.UnusableHeaders(t.Context())
	if err != nil || len(unusable) != 2 || unusable[0].Name != "X-Key" || !unusable[0].Waits() || !errors.Is(unusable[0].Err, secret.ErrKeyMissing) {
		t.Errorf("UnusableHeaders = %+v, %v; want both for their lost key", unusable, err)
	}
	// Giving one again and removing the other mends it.
	if err := other.Update(t.Context(), id, store.Changes{PutHeaders: custom("X-Key", "again"), DropHeaders: []string{"X-Other"}}); err != nil {
		t.Fatal(err)
	}
	if unusable, err = other.UnusableHeaders(t.Context()); err != nil || len(unusable) != 0 {
		t.Errorf("UnusableHeaders = %+v, %v; want none", unusable, err)
	}
}

// The environment describes its webhook whole: what it cannot say is not there.
func TestInstanceWebhookHasNoHeaders(t *testing.T) {
	p := newPlace(t)
	wanted := wantedInstance()
	id := p.ensure(wanted, store.InstanceCreated)
	p.exec(`update plausible_webhooks.webhooks set headers = '{"X-Key": "v"}', timeout_seconds = 9 where id = $1`, id)
	p.ensure(wanted, store.InstanceUpdated)
	if w := p.mustGet(id); len(w.HeaderNames) != 0 || w.TimeoutSeconds != 0 {
		t.Errorf("got %+v, want neither headers nor a timeout", w)
	}
	p.ensure(wanted, store.InstanceUnchanged)
}

// Who may edit a webhook could read the values of its headers, which are shown
// to nobody, by having them sent to a receiver of theirs.
func TestHeadersOfOneHostAreNotSentToAnother(t *testing.T) {
	p := newPlace(t)
	const address, elsewhere = "https://hooks.example.com/a", "https://other.example.com/a"
	again := custom("authorization", "third value")
	for name, test := range map[string]struct {
		changes store.Changes
		refused string // What is kept for the first host.
	}{
		"another host":                   {store.Changes{URL: pointer(elsewhere)}, "Authorization, X-Team"},
		"another port":                   {store.Changes{URL: pointer("https://hooks.example.com:8443/a")}, "Authorization, X-Team"},
		"one of them is given again":     {store.Changes{URL: pointer(elsewhere), PutHeaders: again}, "X-Team"},
		"another path":                   {store.Changes{URL: pointer("https://hooks.example.com/b")}, ""},
		"the same, written otherwise":    {store.Changes{URL: pointer("HTTPS://Hooks.Example.com:443/a")}, ""},
		"all are given again or dropped": {store.Changes{URL: pointer(elsewhere), PutHeaders: again, DropHeaders: []string{"x-team"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id, _ := p.mustAdd(store.NewWebhook{Site: "example.com", URL: address, Headers: custom("Authorization", "first value", "X-Team", "second value")})
			defer func() { _ = p.Remove(t.Context(), id) }() // A site may have three.
			err := p.Update(t.Context(), id, test.changes)
			if test.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFields(t, err, store.FieldURL)
			if text := fmt.Sprint(err); !strings.Contains(text, " "+test.refused+" ") || !strings.Contains(text, "hooks.example.com") {
				t.Errorf("%v: want %s named, and its host", err, test.refused)
			}
			if w := p.mustGet(id); w.URL.Reveal() != address {
				t.Errorf("a refused update changed the URL to %s", w.URL.Reveal())
			}
		})
	}
}
