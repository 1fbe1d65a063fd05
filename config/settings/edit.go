package settings

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/header"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/store"
)

// newHeaders is how many rows for further headers the form has.
const newHeaders = 2

type editPage struct {
	view
	*form
	Name, Path  string
	Transferred bool
	Headers     []headerRow
	Usual       string // The timeout of webhooks that have none of their own.
	Again       bool   // Values of headers were typed, and are not shown again.
}

// headerRow are the fields of one header: a stored one, whose name stands
// fixed, or a further one.
type headerRow struct {
	Stored      string
	Name, Value field
	Remove      field
}

func (r *request) edit(_ context.Context, w store.Webhook) (Page, error) {
	return r.editForm(w, newForm(edited(w)), false)
}

// urlOfTheNewTeam is asked for where a site was transferred. Its former team's
// URL may be a secret of that team's, and is not shown.
const urlOfTheNewTeam = "Enter a URL of your own: nothing is sent to the earlier team’s any more"

// edited is what the form holds before anybody has typed.
func edited(w store.Webhook) url.Values {
	values := url.Values{"name": {w.Name}, "format": {string(w.Format)}}
	if !w.Transferred() {
		values.Set("url", w.URL.Reveal())
	}
	if w.TimeoutSeconds != 0 {
		values.Set("timeout", strconv.Itoa(w.TimeoutSeconds))
	}
	return values
}

func (r *request) editForm(w store.Webhook, f *form, again bool) (Page, error) {
	page := editPage{view: r.of(w, crumb{Text: "Edit"}), form: f, Name: nameOf(w), Path: r.path(w.ID), Transferred: w.Transferred(), Again: again}
	if d := r.pages.options.Timeout; d > 0 {
		page.Usual = fmt.Sprintf(" Left empty, it has %s.", plural(int(d.Seconds()), "second", "seconds"))
	}
	for i, name := range w.HeaderNames {
		at := "header-" + strconv.Itoa(i)
		f.values.Set(at, name)
		f.values.Del(at + "-value")
		page.Headers = append(page.Headers, headerRow{
			Stored: name, Name: f.Field(at, "Name", ""),
			Value:  f.Field(at+"-value", "New value of "+name, "Leave it empty to keep the present one, which is never shown."),
			Remove: f.Box(at+"-remove", "Remove "+name, ""),
		})
	}
	for i := range newHeaders {
		at := "new-header-" + strconv.Itoa(i)
		f.values.Del(at + "-value")
		page.Headers = append(page.Headers, headerRow{Name: f.Field(at, "Header name", ""), Value: f.Field(at+"-value", "Header value", "")})
	}
	return r.show("Edit webhook", "edit", page)
}

// Formats is the field of the format.
func (p editPage) Formats() field {
	return p.Select("format", "Format", "Deliveries that are already queued keep theirs.", formatOptions())
}

func (r *request) save(ctx context.Context, w store.Webhook) (Page, error) {
	f := newForm(r.visit.Form)
	name, address, format := f.Value("name"), f.Value("url"), event.Format(f.Value("format"))
	changes := store.Changes{Name: &name, URL: &address, Format: &format, TimeoutSeconds: new(int)}
	if w.Transferred() {
		changes.Enabled = new(true) // For the new team, by the URL that it has entered.
		if address == "" {
			f.wrong("url", urlOfTheNewTeam)
		}
	}
	if text := f.Value("timeout"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > store.MaxTimeoutSeconds {
			f.wrong("timeout", fmt.Sprintf("Enter a whole number of seconds from 1 to %d.", store.MaxTimeoutSeconds))
		}
		changes.TimeoutSeconds = &n
	}
	fields := readHeaders(f, w, &changes)
	typed := len(changes.PutHeaders) > 0
	if f.Bad() {
		// Rather nothing than half of it: the store is asked once this is mended.
		return r.editForm(w, f, typed)
	}
	err := r.store.Update(ctx, w.ID, changes)
	if err == nil {
		return done(r.path(w.ID), "saved")
	}
	if err := f.take(err, func(field string) string { return editField(field, fields) }); err != nil {
		return Page{}, err
	}
	return r.editForm(w, f, typed)
}

// readHeaders takes the headers off the form, and returns the names of the
// fields of those in PutHeaders.
func readHeaders(f *form, w store.Webhook, changes *store.Changes) (fields []string) {
	put := func(at, name, value string) {
		changes.PutHeaders = append(changes.PutHeaders, header.Header{Name: name, Value: secret.New(value)})
		fields = append(fields, at)
	}
	for i, name := range w.HeaderNames {
		at := "header-" + strconv.Itoa(i)
		if f.Value(at) != name { // Somebody else changed the headers meanwhile.
			if f.values.Get(at+"-value") != "" || f.Has(at+"-remove") {
				f.General = append(f.General, "The headers were changed meanwhile: look at them and enter your changes again.")
				return nil
			}
			continue
		}
		switch value := f.values.Get(at + "-value"); {
		case f.Has(at + "-remove"):
			changes.DropHeaders = append(changes.DropHeaders, name)
		case value != "":
			put(at, name, value)
		}
	}
	for i := range newHeaders {
		at := "new-header-" + strconv.Itoa(i)
		name, value := f.Value(at), f.values.Get(at+"-value")
		if name == "" && value == "" {
			continue
		}
		put(at, name, value)
	}
	return fields
}

func editField(field string, headers []string) string {
	switch field {
	case store.FieldURL, store.FieldName, store.FieldFormat, store.FieldTimeout:
		return field
	}
	rest, ok := strings.CutPrefix(field, store.FieldHeaders+"[")
	place, part, named := strings.Cut(rest, "].")
	i, err := strconv.Atoi(place)
	if !ok || !named || err != nil || i >= len(headers) {
		return ""
	}
	if part == "value" || !strings.HasPrefix(headers[i], "new-") {
		return headers[i] + "-value"
	}
	return headers[i]
}
