package settings_test

import (
	"strings"
	"testing"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
)

func TestEdit(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops", TimeoutSeconds: 9, Headers: []header.Header{
		{Name: "X-Api-Key", Value: secret.New("first value")}, {Name: "X-Old", Value: secret.New("second value")}}})
	at := itoa(w.ID) + "/edit"
	p := b.get(at)
	if attr(p.named("url"), "value") != hookURL || attr(p.named("name"), "value") != "Ops" || attr(p.named("timeout"), "value") != "9" {
		t.Error("the form does not show what is stored")
	}
	p.wantText("X-Api-Key", "Leave it empty to keep the present one", "it has 5 seconds")
	p.wantNothingOf("first value", "second value")
	b.post(at, "url", "https://new.example.com/y", "name", "Team", "format", "discord", "timeout", "",
		"header-0", "X-Api-Key", "header-0-value", "third value", "header-1", "X-Old", "header-1-remove", "1", "new-header-0", "X-New", "new-header-0-value", "fourth value").
		wantGoTo("/" + itoa(w.ID) + "?done=saved")
	got := b.stored(w.ID)
	if got.URL.Reveal() != "https://new.example.com/y" || got.Name != "Team" || got.Format != event.Discord || got.TimeoutSeconds != 0 || strings.Join(got.HeaderNames, " ") != "X-Api-Key X-New" {
		t.Errorf("saved %+v", got)
	}
	b.get(itoa(w.ID)).wantText("Team", "new.example.com", "Discord", "X-Api-Key, X-New", "5 seconds (the usual)")
}

func TestEditKeepsWhatWasTyped(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops", Headers: []header.Header{{Name: "X-Api-Key", Value: secret.New("stored value")}}})
	at := itoa(w.ID) + "/edit"
	p := b.post(at, "url", "ftp://x", "name", "Team", "format", "xml", "timeout", "31", "header-0", "X-Api-Key", "header-0-value", "typed value")
	p.wantWrong("timeout", "from 1 to 30")
	if attr(p.named("name"), "value") != "Team" || attr(p.named("url"), "value") != "ftp://x" {
		t.Error("what was typed is lost")
	}
	p.wantText("enter them again")
	p.wantNothingOf("typed value", "stored value")
	p = b.post(at, "url", "ftp://x", "name", "Team", "format", "xml", "timeout", "30", "new-header-0", "Host", "new-header-0-value", "v", "new-header-1", "X-Fine", "new-header-1-value", "bad\nvalue")
	p.wantWrong("url", "must begin with https://")
	p.wantWrong("format", "Unknown format")
	p.wantWrong("new-header-0", "Host is not allowed")
	p.wantWrong("new-header-1-value", "line break")
	if w = b.stored(w.ID); w.Name != "Ops" || len(w.HeaderNames) != 1 {
		t.Errorf("half of it was saved: %+v", w)
	}
	b.post(at, "url", hookURL, "name", "Ops", "format", "standard", "header-0", "X-Gone", "header-0-value", "v").wantText("The headers were changed meanwhile")
}

// What the earlier team entered is its own: the page shows its URL to nobody of
// the new one, and sends nothing there before somebody has entered another.
func TestTransferredWebhookNeedsItsURLAnew(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops", Headers: []header.Header{{Name: "X-Api-Key", Value: secret.New("stored value")}}})
	b.exec("update plausible_webhooks.webhooks set enabled = false, disabled_reason = 'transferred' where id = $1", w.ID)
	at := itoa(w.ID)
	b.get(at).wantText("enter a URL of your own under Edit")
	b.get(at).wantNothingOf("Switch on again")
	asks := func(p page) {
		t.Helper()
		p.wantStatus(422)
		p.wantWrong("url", "Enter a URL of your own")
		p.wantNothingOf(hookURL)
		if w := b.stored(w.ID); w.Enabled || w.DisabledReason != "transferred" || w.URL.Reveal() != hookURL {
			t.Errorf("it became %+v", w)
		}
	}
	asks(b.post(at + "/resume"))
	asks(b.post(at+"/edit", "url", "", "name", "Ours", "format", "standard", "header-0", "X-Api-Key"))
	p := b.get(at + "/edit")
	if attr(p.named("url"), "value") != "" {
		t.Error("the form shows the earlier team's URL")
	}
	p.wantNothingOf(hookURL)
	p.wantText("Save and switch on")
	b.post(at+"/edit", "url", "https://ours.example.com/x", "name", "Ours", "format", "standard", "header-0", "X-Api-Key").
		wantWrong("url", "X-Api-Key may be sent to https://hooks.example.com only")
	b.post(at+"/edit", "url", "https://ours.example.com/x", "name", "Ours", "format", "standard", "header-0", "X-Api-Key", "header-0-remove", "1").
		wantGoTo("/" + at + "?done=saved")
	if w := b.stored(w.ID); !w.Enabled || w.URL.Reveal() != "https://ours.example.com/x" || w.Name != "Ours" {
		t.Errorf("it became %+v", w)
	}
	if p := b.get(at + "/edit"); attr(p.named("url"), "value") != "https://ours.example.com/x" {
		t.Error("the form does not show the URL that was entered")
	}
}

func TestEditWhileSomebodyElseDoesTellsToTryAgain(t *testing.T) {
	b := newBed(t)
	w := b.add("example.com/shop", store.NewWebhook{Name: "Ops"})
	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), "select from plausible_webhooks.webhooks where id = $1 for update", w.ID); err != nil {
		t.Fatal(err)
	}
	p := b.post(itoa(w.ID)+"/edit", "url", hookURL, "name", "Team", "format", "standard")
	p.wantStatus(503)
	p.wantText("Nothing was changed", "try again")
}
