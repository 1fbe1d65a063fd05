package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"plausible-webhooks/config/store"
)

const (
	// refreshEvery is how often the page of a delivery that is under way is
	// loaded again, refreshFor how long after it was last touched.
	refreshEvery = 2 * time.Second
	refreshFor   = 2 * time.Minute

	// unclaimedPatience is after how long it looks as if nobody were sending:
	// what is due goes out within a second (deploy/REFERENCE.md section 3).
	unclaimedPatience = 5 * time.Second
)

const masked = "••••••"

type deliveryPage struct {
	view
	D         DeliveryDetail
	Event     string
	Status    string
	Tone      string
	Outcome   string
	Path      string
	Host      string
	Payload   string
	Headers   []sentHeader
	Attempts  []attemptView
	Problem   string
	Refreshes bool
	Unclaimed bool
	CanResend bool
}

// Bad reports whether sending it again was refused.
func (p deliveryPage) Bad() bool { return p.Problem != "" }

// sentHeader is a header as requests carry it; the values of secrets are
// masked.
type sentHeader struct {
	Name, Value string
	Masked      bool
}

type attemptView struct {
	Number  int
	At      moment
	Result  string
	Tone    string
	Took    string
	Error   string
	Excerpt string
}

func (r *request) delivery(ctx context.Context, w store.Webhook, id string) (Page, error) {
	return r.deliveryWith(ctx, w, id, "")
}

func (r *request) deliveryWith(ctx context.Context, w store.Webhook, id, problem string) (Page, error) {
	d, err := r.pages.options.History.Delivery(ctx, r.visit.Site.ID, w.ID, id)
	if err != nil {
		return Page{}, err
	}
	page := deliveryPage{
		view: r.of(w, crumb{"Deliveries", r.path(w.ID, "deliveries")}, crumb{Text: eventName(d.Event)}),
		D:    d, Event: eventName(d.Event), Status: statusName(d.Status), Tone: statusTone(d.Status), Outcome: outcomeOf(d.Delivery),
		Path: r.path(w.ID, "deliveries", d.ID), Host: hostOf(w), Payload: pretty(d.Payload), Headers: r.headersOf(w, d), Problem: problem,
	}
	page.CanResend = d.Status != Pending || !d.Claimed && d.NextAttemptAt.After(r.now.Add(refreshEvery))
	for _, a := range d.AttemptLog {
		page.Attempts = append(page.Attempts, attemptOf(page.view, a))
	}
	soon := d.Claimed || !d.NextAttemptAt.After(r.now.Add(time.Minute))
	page.Refreshes = d.Status == Pending && w.Enabled && soon && r.now.Sub(lastTouch(d)) < refreshFor
	page.Unclaimed = d.Status == Pending && w.Enabled && !d.Claimed && d.Attempts == 0 && r.now.Sub(d.NextAttemptAt) > unclaimedPatience
	shown, err := r.show(eventName(d.Event), "delivery", page)
	if page.Refreshes {
		shown.Refresh = refreshEvery
	}
	return shown, err
}

// lastTouch is when something last happened to a delivery, as far as its
// columns tell.
func lastTouch(d DeliveryDetail) time.Time {
	last := later(d.InsertedAt, d.NextAttemptAt)
	for _, a := range d.AttemptLog {
		last = later(last, a.StartedAt)
	}
	return last
}

func attemptOf(v view, a Attempt) attemptView {
	shown := attemptView{Number: a.Number, At: v.Exactly(a.StartedAt), Error: a.Error, Excerpt: a.Excerpt, Tone: "bad"}
	switch {
	case !a.Done:
		shown.Result, shown.Tone = "On its way", "busy"
		return shown
	case a.StatusCode == 0:
		shown.Result = "No answer"
	default:
		shown.Result = "Answered " + strconv.Itoa(a.StatusCode)
		if a.StatusCode >= 200 && a.StatusCode <= 299 {
			shown.Tone = "good"
		}
	}
	shown.Took = took(a.Duration)
	return shown
}

// pretty is JSON made readable; other payloads stay as they are.
func pretty(payload string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(payload), "", "  "); err != nil {
		return payload
	}
	return out.String()
}

// headersOf are the headers of deploy/REFERENCE.md section 4, and the names of
// the webhook's own as it is now.
func (r *request) headersOf(w store.Webhook, d DeliveryDetail) []sentHeader {
	headers := []sentHeader{
		{Name: "Content-Type", Value: d.Format.ContentType()},
		{Name: "User-Agent", Value: "plausible-webhooks/" + r.pages.options.Version},
		{Name: "X-Webhook-Event", Value: string(d.Event)},
		{Name: "webhook-id", Value: d.ID},
		{Name: "webhook-timestamp", Value: "the second of the attempt"},
	}
	if n := len(d.AttemptLog); n > 0 {
		headers[4].Value = strconv.FormatInt(d.AttemptLog[n-1].StartedAt.Unix(), 10)
	}
	if d.Format.Signed() {
		headers = append(headers, sentHeader{"X-Webhook-Signature", "sha256=" + masked, true}, sentHeader{"webhook-signature", "v1," + masked, true})
	}
	for _, name := range w.HeaderNames {
		headers = append(headers, sentHeader{name, masked, true})
	}
	return headers
}
