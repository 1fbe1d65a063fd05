package settings

import (
	"context"
	"net/url"
	"strconv"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

type triggerPage struct {
	view
	triggerFields
	Heading, Path string // Path is the webhook's.
	Action        string
	Stored        *triggerWords
	Broken        bool
	Types         []field
}

// newTrigger asks for the type first and then for what it needs; it also draws
// the chart of what was entered.
func (r *request) newTrigger(ctx context.Context, w store.Webhook) (Page, error) {
	return r.newTriggerForm(ctx, w, newForm(r.visit.Query))
}

func (r *request) newTriggerForm(ctx context.Context, w store.Webhook, f *form) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	page := triggerPage{
		view: r.of(w, crumb{Text: "Add trigger"}), Heading: "Add trigger", Path: r.path(w.ID), Action: r.path(w.ID, "triggers", "new"),
		triggerFields: triggerFields{form: f, Type: event.Type(f.Value("type")), About: about, Format: w.Format},
	}
	if !page.Type.Firing() {
		for _, t := range event.Firing() {
			page.Types = append(page.Types, f.Choice("type", string(t), choiceTexts[t].label, choiceTexts[t].hint))
		}
		return r.show("Add trigger", "trigger-type", page)
	}
	if f.Has("show") {
		if page.Chart, err = r.chartOf(ctx, f, page.triggerFields, w.Format); err != nil {
			return Page{}, err
		}
	}
	return r.show("Add trigger", "trigger", page)
}

func (r *request) addTrigger(ctx context.Context, w store.Webhook) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	f := newForm(r.visit.Form)
	fields := triggerFields{form: f, Type: event.Type(f.Value("type")), About: about}
	if !fields.Type.Firing() {
		return r.newTriggerForm(ctx, w, f)
	}
	spec := fields.read()
	for _, t := range w.Triggers {
		if t.Type == spec.Type && t.GoalID == spec.GoalID {
			f.General = append(f.General, "The webhook has this trigger already: change that one instead.")
		}
	}
	if !f.Bad() {
		err := r.store.Update(ctx, w.ID, store.Changes{Put: []store.TriggerSpec{spec}})
		if err == nil {
			return done(r.path(w.ID), "trigger-added")
		}
		if err := f.take(err, onlyTrigger); err != nil {
			return Page{}, err
		}
	}
	f.values.Del("show")
	return r.newTriggerForm(ctx, w, f)
}

// onlyTrigger is the field of the only trigger on a form.
func onlyTrigger(field string) string {
	if field == store.TriggerField(0, "type") {
		return ""
	}
	const mark = "\x00"
	if name := triggerField(field, []string{mark}); name != "" {
		return name[len(mark):]
	}
	return ""
}

// trigger is the form of a stored trigger, with what the address holds instead
// where a chart was asked for.
func (r *request) trigger(ctx context.Context, w store.Webhook, t store.Trigger) (Page, error) {
	f := newForm(storedTrigger(t))
	if r.visit.Query.Get("show") != "" {
		f = newForm(r.visit.Query)
		f.values.Set("goal", storedTrigger(t).Get("goal"))
	}
	return r.triggerForm(ctx, w, t, f)
}

func (r *request) triggerForm(ctx context.Context, w store.Webhook, t store.Trigger, f *form) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	words := wordsOf(t, about)
	page := triggerPage{
		view: r.of(w, crumb{Text: "Trigger"}), Heading: eventName(t.Type), Path: r.path(w.ID), Action: r.path(w.ID, "triggers", t.ID), Stored: &words, Broken: t.Broken,
		triggerFields: triggerFields{form: f, Type: t.Type, About: about, Fixed: true, Format: w.Format},
	}
	if f.Has("show") && !t.Broken {
		if page.Chart, err = r.chartOf(ctx, f, page.triggerFields, w.Format); err != nil {
			return Page{}, err
		}
	}
	return r.show("Trigger", "trigger", page)
}

// storedTrigger is a trigger as its form shows it.
func storedTrigger(t store.Trigger) url.Values {
	values := url.Values{}
	for name, n := range map[string]int{"threshold": t.Threshold, "window": t.WindowSeconds} {
		if n != 0 {
			values.Set(name, strconv.Itoa(n))
		}
	}
	if t.WindowSeconds == defaultWindow(t.Type) {
		values.Del("window")
	}
	if t.GoalID != 0 {
		values.Set("goal", strconv.FormatInt(t.GoalID, 10))
	}
	if t.CooldownSeconds != nil {
		values.Set("cooldown", strconv.Itoa(*t.CooldownSeconds))
	}
	for name, on := range map[string]bool{"recovery": t.NotifyRecovery, "once": !t.Repeat, "enabled": t.Enabled} {
		if on {
			values.Set(name, "1")
		}
	}
	return values
}

func (r *request) saveTrigger(ctx context.Context, w store.Webhook, t store.Trigger) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	f := newForm(r.visit.Form)
	f.values.Set("goal", storedTrigger(t).Get("goal"))
	spec := triggerFields{form: f, Type: t.Type, About: about, Fixed: true}.read()
	spec.Disabled = !f.Has("enabled")
	if !f.Bad() {
		err := r.store.Update(ctx, w.ID, store.Changes{Put: []store.TriggerSpec{spec}})
		if err == nil {
			return done(r.path(w.ID), "trigger-saved")
		}
		if err := f.take(err, onlyTrigger); err != nil {
			return Page{}, err
		}
	}
	f.values.Del("show")
	return r.triggerForm(ctx, w, t, f)
}

func (r *request) removeTrigger(ctx context.Context, w store.Webhook, t store.Trigger) (Page, error) {
	if err := r.store.Update(ctx, w.ID, store.Changes{Drop: []store.TriggerSpec{{Type: t.Type, GoalID: t.GoalID}}}); err != nil {
		return Page{}, err
	}
	return done(r.path(w.ID), "trigger-removed")
}
