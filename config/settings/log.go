package settings

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

// logLength is how many deliveries a page of the log has.
const logLength = 50

// row is a delivery in a list.
type row struct {
	Path    string
	Event   string
	Status  string
	Tone    string
	At      moment
	Outcome string
}

func (r *request) row(v view, d Delivery) row {
	return row{
		Path: r.path(d.WebhookID, "deliveries", d.ID), Event: eventName(d.Event), Status: statusName(d.Status), Tone: statusTone(d.Status),
		At: v.Exactly(d.InsertedAt), Outcome: outcomeOf(d),
	}
}

type logPage struct {
	view
	*form
	Name, Path string
	Disabled   bool
	Rows       []row
	Filtered   bool
	First      string // The first page, where this is another.
	Next       string // The next page.
	Partial    bool
	Oldest     moment
}

// periods are the times that the log can be narrowed to.
var periods = []struct {
	value, label string
	length       time.Duration
}{
	{"1h", "Last hour", time.Hour}, {"24h", "Last 24 hours", 24 * time.Hour}, {"7d", "Last 7 days", 7 * 24 * time.Hour}, {"30d", "Last 30 days", 30 * 24 * time.Hour},
}

func (r *request) log(ctx context.Context, w store.Webhook) (Page, error) {
	return r.logForm(ctx, w, newForm(r.visit.Query))
}

func (r *request) logForm(ctx context.Context, w store.Webhook, f *form) (Page, error) {
	q := LogQuery{Site: r.visit.Site.ID, Webhook: w.ID, After: f.Value("after"), Limit: logLength}
	if status := f.Value("status"); slices.Contains([]string{Pending, Delivered, Failed, Cancelled}, status) {
		q.Status = status
	}
	if t, err := event.ParseType(f.Value("event")); err == nil {
		q.Event = t
	}
	for _, p := range periods {
		if f.Value("period") == p.value {
			q.From = r.now.Add(-p.length)
		}
	}
	if f.Value("until") != "" {
		q.Until = r.dayAfter(f, "until")
	}
	found, err := r.pages.options.History.Log(ctx, q)
	if err != nil {
		return Page{}, err
	}
	page := logPage{
		view: r.of(w, crumb{Text: "Deliveries"}), form: f, Name: nameOf(w), Path: r.path(w.ID), Disabled: w.Disabled(), Partial: found.Partial,
		Filtered: q.Status != "" || q.Event != "" || !q.From.IsZero() || !q.Until.IsZero(),
	}
	page.Oldest = page.At(found.Oldest)
	for _, d := range found.Deliveries {
		page.Rows = append(page.Rows, r.row(page.view, d))
	}
	if q.After != "" {
		page.First = r.logPath(w, f, "")
	}
	if found.Next != "" {
		page.Next = r.logPath(w, f, found.Next)
	}
	return r.show("Deliveries", "log", page)
}

// dayAfter reads a day of the site's time zone, and returns where it ends.
func (r *request) dayAfter(f *form, name string) time.Time {
	day, err := time.ParseInLocation(time.DateOnly, f.Value(name), r.zone)
	if err != nil {
		f.values.Del(name) // The field holds days only, and says so in the console.
		f.wrong(name, "Enter a day, as in "+r.now.In(r.zone).Format(time.DateOnly)+".")
		return time.Time{}
	}
	return day.AddDate(0, 0, 1)
}

// logPath is the log with the same filter, after a place in it.
func (r *request) logPath(w store.Webhook, f *form, after string) string {
	query := url.Values{}
	for _, name := range []string{"status", "event", "period", "until"} {
		if value := f.Value(name); value != "" {
			query.Set(name, value)
		}
	}
	if after != "" {
		query.Set("after", after)
	}
	path := r.path(w.ID, "deliveries")
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// Status, Event and Period are the fields of the filter.
func (p logPage) Status() field {
	return p.Select("status", "State", "", []option{{Label: "Any"}, {Value: Delivered, Label: "Delivered"}, {Value: Failed, Label: "Failed"}, {Value: Cancelled, Label: "Cancelled"}, {Value: Pending, Label: "Pending"}})
}

// Event is the list of types.
func (p logPage) Event() field {
	options := []option{{Label: "Any"}}
	for _, t := range event.Types() {
		options = append(options, option{Value: string(t), Label: eventName(t)})
	}
	return p.Select("event", "Event", "", options)
}

// Period is the list of times.
func (p logPage) Period() field {
	options := []option{{Label: "Any time"}}
	for _, period := range periods {
		options = append(options, option{Value: period.value, Label: period.label})
	}
	return p.Select("period", "Time", "", options)
}

// Since is the list of how far back is sent again.
func (p logPage) Since() field {
	var options []option
	for _, period := range periods {
		options = append(options, option{Value: period.value, Label: period.label})
	}
	return p.Select("since", "Made in the", "", options)
}

// resendSince sends again what failed or was cancelled.
func (r *request) resendSince(ctx context.Context, w store.Webhook) (Page, error) {
	f := newForm(r.visit.Form)
	var since time.Time
	for _, p := range periods {
		if f.Value("since") == p.value {
			since = r.now.Add(-p.length)
		}
	}
	statuses := map[string][]string{"both": {Failed, Cancelled}, Failed: {Failed}, Cancelled: {Cancelled}}[f.Value("what")]
	if since.IsZero() || statuses == nil {
		f.General = append(f.General, "Choose what to send again, and from which time on.")
		return r.logForm(ctx, w, f)
	}
	count, err := r.pages.options.Resender.ResendSince(ctx, r.visit.Site.ID, w.ID, since, statuses)
	if problem := refusal(err); problem != "" {
		f.General = append(f.General, problem)
		return r.logForm(ctx, w, f)
	}
	if err != nil {
		return Page{}, err
	}
	path := r.path(w.ID, "deliveries")
	if count == 0 {
		return done(path, "resent-none")
	}
	return Page{GoTo: path + "?done=resent-all&count=" + strconv.FormatInt(count, 10)}, nil
}

// resend sends one delivery again.
func (r *request) resend(ctx context.Context, w store.Webhook, id string) (Page, error) {
	path := r.path(w.ID, "deliveries", id)
	err := r.pages.options.Resender.Resend(ctx, r.visit.Site.ID, w.ID, id)
	switch problem := refusal(err); {
	case errors.Is(err, ErrInFlight):
		return done(path, "in-flight")
	case problem != "":
		return r.deliveryWith(ctx, w, id, problem)
	case err != nil:
		return Page{}, err
	}
	return done(path, "resent")
}

// refusal is what a person can do about an error; empty: nothing, or there is
// none.
func refusal(err error) string {
	switch {
	case errors.Is(err, ErrDisabled):
		return "The webhook is disabled, so nothing can be sent. Switch it on again first."
	case errors.Is(err, ErrPaused):
		return "The webhook is paused, so nothing is sent. Switch it on first."
	default:
		return ""
	}
}
