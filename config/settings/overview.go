package settings

import (
	"context"
	"strings"

	"plausible-webhooks/config/store"
)

// stripLength is how many of the last deliveries the overview shows.
const stripLength = 20

type overviewPage struct {
	view
	Webhooks []summary
}

// summary is a webhook at a glance.
type summary struct {
	ID       int64
	Path     string
	Name     string
	Host     string
	Format   string
	Enabled  bool
	Paused   bool
	State    state
	Triggers []triggerWords
	Strip    strip
}

// strip is the last deliveries, the newest last.
type strip struct {
	Bars    []bar
	Label   string // The same in words.
	Last    *Delivery
	Tone    string
	Outcome string
}

type bar struct{ Tone, Title string }

func (r *request) overview(ctx context.Context) (Page, error) {
	all, err := r.store.List(ctx, store.Filter{})
	if err != nil {
		return Page{}, err
	}
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	page := overviewPage{view: r.view()}
	if len(all) > 0 {
		ids := make([]int64, len(all))
		for i, w := range all {
			ids[i] = w.ID
		}
		latest, err := r.pages.options.History.Latest(ctx, r.visit.Site.ID, ids, stripLength)
		if err != nil {
			return Page{}, err
		}
		for _, w := range all {
			page.Webhooks = append(page.Webhooks, r.summarise(page.view, w, about, latest[w.ID]))
		}
	}
	return r.show("Webhooks", "overview", page)
}

func (r *request) summarise(v view, w store.Webhook, about store.About, latest []Delivery) summary {
	s := summary{
		ID: w.ID, Path: r.path(w.ID), Name: nameOf(w), Host: hostOf(w), Format: formatName(w.Format), Enabled: w.Enabled, Paused: w.Paused(),
		State: stateOf(w), Strip: stripOf(v, latest),
	}
	for _, t := range w.Triggers {
		s.Triggers = append(s.Triggers, wordsOf(t, about))
	}
	return s
}

// stripOf draws deliveries that are given newest first.
func stripOf(v view, latest []Delivery) strip {
	if len(latest) == 0 {
		return strip{}
	}
	var s strip
	counts := map[string]int{}
	for i := len(latest) - 1; i >= 0; i-- {
		d := latest[i]
		counts[d.Status]++
		s.Bars = append(s.Bars, bar{statusTone(d.Status), v.At(d.InsertedAt).Text + ": " + eventName(d.Event) + ", " + d.Status})
	}
	s.Last, s.Tone, s.Outcome = &latest[0], statusTone(latest[0].Status), outcomeOf(latest[0])
	var parts []string
	for _, status := range []string{Delivered, Failed, Cancelled, Pending} {
		if counts[status] > 0 {
			parts = append(parts, number(counts[status])+" "+status)
		}
	}
	s.Label = "Last " + plural(len(latest), "delivery", "deliveries") + ": " + strings.Join(parts, ", ")
	return s
}
