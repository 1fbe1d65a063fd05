package cdc

import (
	"iter"

	"plausible-webhooks/config"
)

// site is a row of public.sites with the mark of pseudo-sites, which stand for
// a whole team: they have no events of their own and their domain is no host
// name. They are in no view, and yet kept, because a later change of such a row
// may leave out values.
type site struct {
	config.Site
	consolidated bool
}

// sites are the rows of public.sites, in a table for views and one for the
// pseudo-sites.
type sites struct{ shown, pseudo *config.Table[config.Site] }

func (v sites) Get(id int64) (site, bool) {
	if s, ok := v.shown.Get(id); ok {
		return site{Site: s}, true
	}
	s, ok := v.pseudo.Get(id)
	return site{Site: s, consolidated: ok}, ok
}

// All yields the rows of both tables in order of id.
func (v sites) All() iter.Seq[site] {
	return func(yield func(site) bool) {
		next, stop := iter.Pull(v.pseudo.All())
		defer stop()
		pseudo, more := next()
		for s := range v.shown.All() {
			for ; more && pseudo.ID < s.ID; pseudo, more = next() {
				if !yield(site{Site: pseudo, consolidated: true}) {
					return
				}
			}
			if !yield(site{Site: s}) {
				return
			}
		}
		for ; more; pseudo, more = next() {
			if !yield(site{Site: pseudo, consolidated: true}) {
				return
			}
		}
	}
}

// ChangedSince yields what has changed, the pseudo-sites last.
func (v sites) ChangedSince(before sites) iter.Seq[site] {
	return func(yield func(site) bool) {
		for s := range v.shown.ChangedSince(before.shown) {
			if !yield(site{Site: s}) {
				return
			}
		}
		for s := range v.pseudo.ChangedSince(before.pseudo) {
			if !yield(site{Site: s, consolidated: true}) {
				return
			}
		}
	}
}

// With puts each row into its table and takes it out of the other one. Where
// there are no pseudo-sites, as before Plausible had them, and none come, their
// table needs no look.
func (v sites) With(changes []config.Change[site]) sites {
	shown, pseudo := make([]config.Change[config.Site], len(changes)), false
	for i, c := range changes {
		shown[i] = config.Change[config.Site]{ID: c.ID, Row: c.Row.Site, Gone: c.Gone || c.Row.consolidated}
		pseudo = pseudo || c.Row.consolidated && !c.Gone
	}
	next := sites{shown: v.shown.With(shown), pseudo: v.pseudo}
	if pseudo || v.pseudo.Len() > 0 {
		for i, c := range changes { // What With was given is ours again.
			shown[i].Row, shown[i].Gone = c.Row.Site, c.Gone || !c.Row.consolidated
		}
		next.pseudo = v.pseudo.With(shown)
	}
	return next
}
