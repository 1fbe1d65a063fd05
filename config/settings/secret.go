package settings

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
)

// overlaps are how long an old secret may go on signing.
var overlaps = []option{
	{Value: "24h", Label: "24 hours"}, {Value: "1h", Label: "1 hour"}, {Value: "168h", Label: "7 days"}, {Value: "0s", Label: "Not at all: it stops at once"},
}

type secretPage struct {
	view
	*form
	Name, Path string
	Has        bool
	Signed     bool
	Until      time.Time // The secret before the present one signs until then.
	Token      string
}

// secret is the form that rotates a webhook's secret.
func (r *request) secret(_ context.Context, w store.Webhook) (Page, error) {
	return r.secretForm(w, newForm(url.Values{}))
}

func (r *request) secretForm(w store.Webhook, f *form) (Page, error) {
	page := secretPage{view: r.of(w, crumb{Text: "Signing secret"}), form: f, Name: nameOf(w), Path: r.path(w.ID), Has: w.HasSecret, Signed: w.Format.Signed(), Token: token()}
	if w.PreviousSecretExpiresAt.After(r.now) {
		page.Until = w.PreviousSecretExpiresAt
	}
	return r.show("Signing secret", "secret", page)
}

// Overlaps is the field of how long the old secret goes on.
func (p secretPage) Overlaps() field {
	return p.Select("overlap", "Go on signing with the old secret for", "Until then every request carries both signatures, so that your receiver can change over without missing one.", overlaps)
}

// rotate gives the webhook another secret and shows it.
func (r *request) rotate(ctx context.Context, w store.Webhook) (Page, error) {
	spend, path, fresh := r.once(fmt.Sprint(w.ID))
	if !fresh {
		return done(path, "known")
	}
	made := ""
	defer func() { spend(made) }()
	f := newForm(url.Values{"overlap": {r.visit.Form.Get("overlap")}})
	overlap, err := time.ParseDuration(f.Value("overlap"))
	if err != nil {
		f.wrong("overlap", "Choose one of the list.")
		return r.secretForm(w, f)
	}
	shown, kept, err := r.store.RotateSecret(ctx, w.ID, secret.New(r.visit.Form.Get("own")), overlap)
	if err != nil {
		if err := f.take(err, func(field string) string {
			return map[string]string{store.FieldSecret: "own", store.FieldOverlap: "overlap"}[field]
		}); err != nil {
			return Page{}, err
		}
		return r.secretForm(w, f)
	}
	made = r.path(w.ID)
	page := shownPage{view: r.of(w, crumb{Text: "Signing secret"}), Heading: "The new signing secret of " + nameOf(w), Path: r.path(w.ID), Secret: shown, Languages: languages}
	switch {
	case kept:
		page.Text = "The old secret goes on signing beside it for " + overlapName(overlap) + "."
	case w.HasSecret && overlap > 0:
		page.Text = "The old secret could not be read any more, so it no longer signs."
	default:
		page.Text = "From now on it alone signs."
	}
	return r.show("Signing secret", "shown", page)
}

func overlapName(d time.Duration) string {
	for _, o := range overlaps {
		if known, err := time.ParseDuration(o.Value); err == nil && known == d {
			return o.Label
		}
	}
	return d.String()
}

// shownPage shows a secret, this once.
type shownPage struct {
	view
	Heading, Text, Path string
	Secret              secret.Text
	Languages           []language
}

// Whsec is the secret as Standard Webhooks libraries take it, where that is
// another text.
func (p shownPage) Whsec() string {
	if p.Secret.Whsec() == p.Secret.Reveal() {
		return ""
	}
	return p.Secret.Whsec()
}
