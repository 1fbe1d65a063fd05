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
