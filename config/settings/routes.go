package settings

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"plausible-webhooks/config/store"
)

// Route is a page and how it may be asked for.
type Route struct {
	Path    string // Below the overview; {webhook}, {trigger} and {delivery} stand for ids.
	Methods []string
}

// Routes are all pages. Whoever guards them tests each of these.
func Routes() []Route {
	var all []Route
	for _, known := range routes {
		r := Route{Path: known.path}
		if known.get != nil {
			r.Methods = append(r.Methods, http.MethodGet)
		}
		if known.post != nil {
			r.Methods = append(r.Methods, http.MethodPost)
		}
		all = append(all, r)
	}
	return all
}

// route is a page with what it does on GET and on POST; nil: nothing.
type route struct {
	path      string
	get, post answering
}

type answering func(*request, context.Context, ids) (Page, error)

// ids are those of a path.
type ids struct {
	webhook, trigger int64
	delivery         string
}

// routes are tried in this order.
var routes = []route{
	{"", plain((*request).overview), nil},
	{"new", plain((*request).newWebhook), plain((*request).addWebhook)},
	{"{webhook}", ofWebhook((*request).webhook), nil},
	{"{webhook}/edit", ofWebhook((*request).edit), ofWebhook((*request).save)},
	{"{webhook}/pause", nil, ofWebhook((*request).pause)},
	{"{webhook}/resume", nil, ofWebhook((*request).resume)},
	{"{webhook}/delete", ofWebhook((*request).confirmDelete), ofWebhook((*request).delete)},
	{"{webhook}/secret", ofWebhook((*request).secret), ofWebhook((*request).rotate)},
	{"{webhook}/test", nil, ofWebhook((*request).test)},
	{"{webhook}/triggers/new", ofWebhook((*request).newTrigger), ofWebhook((*request).addTrigger)},
	{"{webhook}/triggers/{trigger}", ofTrigger((*request).trigger), ofTrigger((*request).saveTrigger)},
	{"{webhook}/triggers/{trigger}/remove", nil, ofTrigger((*request).removeTrigger)},
	{"{webhook}/deliveries", ofWebhook((*request).log), nil},
	{"{webhook}/deliveries/resend", nil, ofWebhook((*request).resendSince)},
	{"{webhook}/deliveries/{delivery}", ofDelivery((*request).delivery), nil},
	{"{webhook}/deliveries/{delivery}/resend", nil, ofDelivery((*request).resend)},
}

// routeOf finds the page of a path, with the ids in it.
func routeOf(rest []string) (route, ids, bool) {
	for _, known := range routes {
		if of, fits := known.match(rest); fits {
			return known, of, true
		}
	}
	return route{}, ids{}, false
}

func (r route) match(rest []string) (of ids, fits bool) {
	var parts []string
	if r.path != "" {
		parts = strings.Split(r.path, "/")
	}
	if len(parts) != len(rest) {
		return of, false
	}
	for i, part := range parts {
		ok := true
		switch part {
		case "{webhook}":
			of.webhook, ok = parseID(rest[i])
		case "{trigger}":
			of.trigger, ok = parseID(rest[i])
		case "{delivery}":
			of.delivery = rest[i] // The log knows which texts are ids.
		default:
			ok = part == rest[i]
		}
		if !ok {
			return of, false
		}
	}
	return of, true
}

// parseID reads the id of a row, in one way of writing only.
func parseID(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == text
}

func plain(do func(*request, context.Context) (Page, error)) answering {
	return func(r *request, ctx context.Context, _ ids) (Page, error) { return do(r, ctx) }
}

// ofWebhook looks for the webhook among those of the visit's site.
func ofWebhook(do func(*request, context.Context, store.Webhook) (Page, error)) answering {
	return func(r *request, ctx context.Context, of ids) (Page, error) {
		w, err := r.store.Get(ctx, of.webhook)
		if err != nil {
			return Page{}, err
		}
		return do(r, ctx, w)
	}
}

// ofTrigger looks for the trigger among those of the webhook.
func ofTrigger(do func(*request, context.Context, store.Webhook, store.Trigger) (Page, error)) answering {
	return func(r *request, ctx context.Context, of ids) (Page, error) {
		return ofWebhook(func(r *request, ctx context.Context, w store.Webhook) (Page, error) {
			for _, t := range w.Triggers {
				if t.ID == of.trigger {
					return do(r, ctx, w, t)
				}
			}
			return Page{}, ErrNotFound
		})(r, ctx, of)
	}
}

// ofDelivery leaves it to the log to find the delivery among the webhook's.
func ofDelivery(do func(*request, context.Context, store.Webhook, string) (Page, error)) answering {
	return func(r *request, ctx context.Context, of ids) (Page, error) {
		return ofWebhook(func(r *request, ctx context.Context, w store.Webhook) (Page, error) {
			return do(r, ctx, w, of.delivery)
		})(r, ctx, of)
	}
}
