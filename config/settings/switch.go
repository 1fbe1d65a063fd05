package settings

import (
	"context"

	"plausible-webhooks/config/store"
)

func (r *request) pause(ctx context.Context, w store.Webhook) (Page, error) {
	if !w.Enabled { // Pausing must not turn a reason into a person's wish.
		return done(r.back(w), "paused")
	}
	off := false
	if err := r.store.Update(ctx, w.ID, store.Changes{Enabled: &off}); err != nil {
		return Page{}, err
	}
	return done(r.back(w), "paused")
}

func (r *request) resume(ctx context.Context, w store.Webhook) (Page, error) {
	if w.Transferred() {
		f := newForm(edited(w))
		f.wrong("url", urlOfTheNewTeam)
		return r.editForm(w, f, false)
	}
	on := true
	if err := r.store.Update(ctx, w.ID, store.Changes{Enabled: &on}); err != nil {
		return Page{}, err
	}
	return done(r.back(w), "resumed")
}

// back is the page that a small form was on.
func (r *request) back(w store.Webhook) string {
	if r.visit.Form.Get("from") == "overview" {
		return r.visit.Base
	}
	return r.path(w.ID)
}

type deletePage struct {
	view
	Name, Host, Path string
}

func (r *request) confirmDelete(_ context.Context, w store.Webhook) (Page, error) {
	return r.show("Delete webhook", "delete", deletePage{r.of(w, crumb{Text: "Delete"}), nameOf(w), hostOf(w), r.path(w.ID)})
}

func (r *request) delete(ctx context.Context, w store.Webhook) (Page, error) {
	if err := r.store.Remove(ctx, w.ID); err != nil {
		return Page{}, err
	}
	return done(r.visit.Base, "deleted")
}
