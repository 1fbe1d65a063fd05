package settings

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
)

// How the triggers of a new webhook are chosen.
const (
	whenExisting = "existing" // What Plausible already mails, and every goal.
	whenOwn      = "own"
	whenLater    = "later"
)

// byHost has the format chosen by the host of the URL.
const byHost = "auto"

type addPage struct {
	view
	*form
	About   store.About
	Hosts   string // For the script.
	Token   string
	Chart   *chartView
	ChartOf string // The prefix of the trigger that the chart is about.
}

// newWebhook is the empty form.
func (r *request) newWebhook(ctx context.Context) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	return r.addForm(about, newForm(url.Values{"format": {byHost}, "when": {whenExisting}}), nil, "")
}

func (r *request) addForm(about store.About, f *form, chart *chartView, of string) (Page, error) {
	return r.show("Add webhook", "add", addPage{
		view: r.view(crumb{Text: "Add webhook"}), form: f, About: about, Hosts: hostList(), Token: token(), Chart: chart, ChartOf: of,
	})
}

// Formats is the field of the format.
func (p addPage) Formats() field {
	options := []option{{Value: byHost, Label: "Choose by the URL’s host"}}
	return p.Select("format", "Format", "Chat services get a message to read, everything else signed JSON.", append(options, formatOptions()...))
}

func formatOptions() []option {
	var options []option
	for _, f := range event.Formats() {
		options = append(options, option{Value: string(f), Label: formatName(f)})
	}
	return options
}

// Existing are the triggers of whenExisting, in words.
func (p addPage) Existing() []triggerWords {
	var words []triggerWords
	for _, t := range existing {
		w := store.Trigger{}
		w.Type, w.Repeat, w.Enabled = t.Type, true, true
		words = append(words, wordsOf(w, p.About))
	}
	return words
}

// existing are the triggers that take everything from Plausible's settings.
var existing = []store.TriggerSpec{{Type: event.TrafficSpike}, {Type: event.TrafficDrop}, {Type: event.GoalCompleted}}

// Choices are the triggers of whenOwn.
func (p addPage) Choices() []triggerFields {
	var fields []triggerFields
	for _, t := range event.Firing() {
		of := triggerFields{form: p.form, Type: t, Prefix: prefixOf(t), About: p.About, New: true}
		if p.ChartOf == of.Prefix {
			of.Chart = p.Chart
		}
		fields = append(fields, of)
	}
	return fields
}

// prefixOf begins the names of a type's fields.
func prefixOf(t event.Type) string { return strings.ReplaceAll(string(t), ".", "-") + "-" }

// addWebhook saves what the form holds, or shows a chart for it.
func (r *request) addWebhook(ctx context.Context) (Page, error) {
	about, err := r.store.About(ctx)
	if err != nil {
		return Page{}, err
	}
	entered := r.visit.Form
	f := newForm(entered)
	if of := event.Type(entered.Get("show")); of.Firing() {
		chart, err := r.chartOf(ctx, f, triggerFields{form: f, Type: of, Prefix: prefixOf(of), About: about}, r.formatOf(f))
		if err != nil {
			return Page{}, err
		}
		f.values.Set("when", whenOwn)
		f.values.Set(prefixOf(of)+"on", "1")
		return r.addForm(about, f, chart, prefixOf(of))
	}
	spend, path, fresh := r.once("new")
	if !fresh {
		return done(path, "known")
	}
	stored := ""
	defer func() { spend(stored) }()
	specs, prefixes := r.chosen(f, about)
	entry := store.NewWebhook{Name: f.Value("name"), URL: f.Value("url"), Format: r.formatOf(f), Triggers: specs}
	if f.Bad() {
		// The store is asked as well, so that everything wrong is told at once;
		// the mistakes already known keep it from being stored.
		entry.Triggers = nil
		err = r.store.Check(ctx, entry)
	} else {
		var id int64
		var shown secret.Text
		if id, shown, err = r.store.Add(ctx, entry); err == nil {
			stored = r.path(id)
			return r.added(id, shown, entry)
		}
	}
	if err := f.take(err, func(field string) string { return addField(field, prefixes) }); err != nil {
		return Page{}, err
	}
	f.first("url", "format", "name")
	return r.addForm(about, f, nil, "")
}

// added shows the secret, or goes to the webhook where there is none.
func (r *request) added(id int64, shown secret.Text, fresh store.NewWebhook) (Page, error) {
	path := r.path(id)
	if shown.Empty() {
		return done(path, "added")
	}
	name := fresh.Name
	if name == "" {
		name = "the webhook"
	}
	page := shownPage{
		view: r.view(crumb{Text: "Webhook added"}), Heading: "Signing secret of " + name, Path: path, Secret: shown, Languages: languages,
		Text: "The webhook is saved and on. Your receiver needs this secret to tell our requests from others.",
	}
	page.Notice = notices["added"]
	return r.show("Webhook added", "shown", page)
}

// formatOf is the chosen format, or that of the URL's host.
func (r *request) formatOf(f *form) event.Format {
	if chosen := f.Value("format"); chosen != byHost && chosen != "" {
		return event.Format(chosen)
	}
	return suggested(secret.New(f.Value("url")))
}

// chosen reads the triggers, with the prefix of the fields of each.
func (r *request) chosen(f *form, about store.About) (specs []store.TriggerSpec, prefixes []string) {
	switch f.Value("when") {
	case whenExisting:
		return existing, make([]string, len(existing))
	case whenLater:
		return nil, nil
	case whenOwn:
	default:
		f.wrong("when", "Choose when it should fire.")
		return nil, nil
	}
	for _, t := range event.Firing() {
		if prefix := prefixOf(t); f.Has(prefix + "on") {
			specs = append(specs, triggerFields{form: f, Type: t, Prefix: prefix, About: about}.read())
			prefixes = append(prefixes, prefix)
		}
	}
	if len(specs) == 0 {
		f.wrong("when", "Tick at least one of the events below, or decide later.")
	}
	return specs, prefixes
}

// addField is the name on the page of a field of the store.
func addField(field string, prefixes []string) string {
	switch field {
	case store.FieldURL, store.FieldName, store.FieldFormat:
		return field
	}
	return triggerField(field, prefixes)
}

// triggerField finds the field of a trigger, whose fields begin with a prefix
// by its place.
func triggerField(field string, prefixes []string) string {
	rest, ok := strings.CutPrefix(field, store.FieldTrigger+"[")
	if !ok {
		return ""
	}
	place, name, ok := strings.Cut(rest, "].")
	i, err := strconv.Atoi(place)
	if !ok || err != nil || i >= len(prefixes) || prefixes[i] == "" {
		return ""
	}
	if name == "type" {
		name = "goal"
	}
	return prefixes[i] + name
}
