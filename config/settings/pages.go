package settings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	found, of, known := routeOf(v.Rest)
	if !known {
		return r.notFound()
	}
	do := found.get
	switch method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		do, r.posted = found.post, true
	default:
		do = nil
	}
	if do == nil {
		return r.notAllowed()
	}
	page, err := do(r, ctx, of)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, ErrNotFound):
		return r.notFound()
	case errors.Is(err, store.ErrBusy):
		return r.busy()
	case err != nil:
		return Page{}, fmt.Errorf("%s /%s of site %d: %w", method, found.path, v.Site.ID, err)
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

func (r *request) busy() (Page, error) {
	page, err := r.show("Webhooks", "lost", lost{r.view(), "Nothing was changed",
		"Somebody else is changing the same, or Plausible is being upgraded: wait for a moment and try again."})
	page.Status = http.StatusServiceUnavailable
	return page, err
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
