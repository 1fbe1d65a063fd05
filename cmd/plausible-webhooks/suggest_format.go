package main

import (
	"fmt"
	"net/url"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
)

// suggestFormat tells of another format where the URL's host is a chat
// service's and nobody has chosen one: what the service does not understand it
// would refuse. It goes to stderr, so that --json stays JSON.
func (p program) suggestFormat(w store.Webhook) {
	address, err := url.Parse(target.Display(w.URL.Reveal()))
	if err != nil {
		return // A URL of another writer, which its first attempt complains about.
	}
	if format, known := event.SuggestFormat(address.Hostname()); known && format != w.Format {
		fmt.Fprintf(p.stderr, "hint: %s takes format %s, and the webhook's is %s: plausible-webhooks webhook update %d --format %s\n",
			address.Hostname(), format, w.Format, w.ID, format)
	}
}
