package settings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"plausible-webhooks/config/store"

	"github.com/hashicorp/go-hclog"
)

// Options are what the pages need of the other rooms. Store, History,
// Resender and Tester are required.
type Options struct {
	Store      *store.Store
	History    History
	Resender   Resender
	Tester     Tester
	Backtester Backtester // Nil: charts say that they cannot be drawn.

	BaseURL string           // Plausible's public address, for links in tests.
	Version string           // As the User-Agent of requests has it.
	Timeout time.Duration    // Of an attempt, where a webhook has none of its own.
	Now     func() time.Time // Nil: time.Now.
	Logger  hclog.Logger     // Nil: nothing is logged.
}

// Pages answers visits. It is safe for concurrent use.
type Pages struct {
	options Options
	trials  *trials
	spent   spent
}

// New returns the pages.
func New(options Options) *Pages {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = hclog.NewNullLogger()
	}
	return &Pages{options: options, trials: newTrials(options.Backtester, options.Now)}
}

// Serve answers one visit. What is wrong with a person's input is said on the
// page; an error is one of ours, or a database's.
func (p *Pages) Serve(ctx context.Context, v Visit, method string) (Page, error) {
	r := &request{pages: p, visit: v, store: p.options.Store.OfSite(v.Site.ID), now: p.options.Now(), zone: zoneOf(v.Site.Timezone)}
	answer, known := r.route()
	if !known {
		return r.notFound()
	}
	do := answer.get
	switch method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		do, r.posted = answer.post, true
	default:
		do = nil
	}
	if do == nil {
		return r.notAllowed()
	}
	page, err := do(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrNotFound):
		return r.notFound()
	case err != nil:
		return Page{}, fmt.Errorf("%s %s of site %d: %w", method, answer.name, v.Site.ID, err)
	}
	return page, nil
}

// request is one visit being answered.
type request struct {
	pages *Pages
	visit Visit
	store *store.Store // Of the visit's site alone.
	now   time.Time
	zone  *time.Location

	posted bool // It is the answer to a form.
}

// answer is a page with what it does on GET and POST; nil: nothing.
type answer struct {
	name      string // For errors.
	get, post func(context.Context) (Page, error)
}

// route finds the page of the path.
func (r *request) route() (answer, bool) {
	rest := r.visit.Rest
	switch {
	case len(rest) == 0:
		return answer{name: "overview", get: r.overview}, true
	case len(rest) == 1 && rest[0] == "new":
		return answer{"new webhook", r.newWebhook, r.addWebhook}, true
	}
	id, ok := parseID(rest[0])
	if !ok {
		return answer{}, false
	}
	with := func(do func(context.Context, store.Webhook) (Page, error)) func(context.Context) (Page, error) {
		return func(ctx context.Context) (Page, error) {
			w, err := r.store.Get(ctx, id)
			if err != nil {
				return Page{}, err
			}
			return do(ctx, w)
		}
	}
	if len(rest) == 1 {
		return answer{name: "webhook", get: with(r.webhook)}, true
	}
	switch rest[1] {
	case "triggers":
		return r.routeTrigger(rest[2:], with)
	case "deliveries":
		return r.routeDelivery(rest[2:], with)
	}
	if len(rest) > 2 {
		return answer{}, false
	}
	switch rest[1] {
	case "edit":
		return answer{"edit", with(r.edit), with(r.save)}, true
	case "pause":
		return answer{name: "pause", post: with(r.pause)}, true
	case "resume":
		return answer{name: "resume", post: with(r.resume)}, true
	case "delete":
		return answer{"delete", with(r.confirmDelete), with(r.delete)}, true
	case "secret":
		return answer{"secret", with(r.secret), with(r.rotate)}, true
	case "test":
		return answer{name: "test", post: with(r.test)}, true
	}
	return answer{}, false
}

type withWebhook = func(func(context.Context, store.Webhook) (Page, error)) func(context.Context) (Page, error)

// parseID reads the id of a row, in one way of writing only.
func parseID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

func (r *request) notFound() (Page, error) {
	page, err := r.show("Webhooks", "lost", lost{r.view(), "There is nothing here",
		"The webhook or delivery may have been deleted, or belong to another site."})
	page.Status = http.StatusNotFound
	return page, err
}

func (r *request) notAllowed() (Page, error) {
	page, err := r.show("Webhooks", "lost", lost{r.view(), "That did not work",
		"This address does something only when a form on these pages is sent to it. Nothing was changed."})
	page.Status = http.StatusMethodNotAllowed
	return page, err
}

type lost struct {
	view
	Heading, Text string
}
