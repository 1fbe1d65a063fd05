package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"plausible-webhooks/config/env"
	"plausible-webhooks/config/store"
	"plausible-webhooks/config/target"
	"plausible-webhooks/sender"
)

const (
	// receiverPatience is for one receiver, receiversTogether how many are tried
	// at once, and mostReceivers in all: a check is not to last longer than a minute.
	receiverPatience  = 5 * time.Second
	receiversTogether = 16
	mostReceivers     = 160
)

// checkReceivers connects to each host that webhooks point to: whether HTTPS
// gets out of here at all is best asked of those for whom it matters. Nothing is
// sent. A receiver that is away is no fault of the set-up.
func checkReceivers(ctx context.Context, webhooks []store.Webhook, settings env.Settings) []finding {
	const name = "receivers"
	roots, err := sender.Roots(settings.ReceiverRoots)
	if err != nil {
		return []finding{failure(name, err.Error(), "correct WEBHOOKS_CA_FILE")}
	}
	reacher := sender.NewReacher(sender.Options{
		Rules: settings.Targets(), Own: settings.OwnServers(), Proxy: settings.Proxy.URL(), Roots: roots, Timeout: receiverPatience,
	})
	// Many webhooks share a host, and what is found of one is so for all.
	byHost := map[string][]store.Webhook{}
	for _, w := range webhooks {
		if _, err := target.ParseSaved(w.URL.Reveal(), settings.Targets()); err == nil && w.Enabled {
			host := target.Display(w.URL.Reveal())
			byHost[host] = append(byHost[host], w)
		}
	}
	hosts := slices.Sorted(maps.Keys(byHost))
	hosts = hosts[:min(len(hosts), mostReceivers)]
	refused, errs := make([]bool, len(hosts)), make([]error, len(hosts))
	slots := make(chan struct{}, receiversTogether)
	var trying sync.WaitGroup
	for i, host := range hosts {
		trying.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			refused[i], errs[i] = reacher.Reach(ctx, byHost[host][0].URL.Reveal())
		})
	}
	trying.Wait()

	var found []finding
	reached, proxied := 0, 0
	for i, host := range hosts {
		switch err := errs[i]; {
		case err == nil:
			reached++
		case errors.Is(err, sender.ErrProxyOnly):
			proxied++
		case refused[i]:
			found = append(found, warning(name, fmt.Sprintf("%s (%s): %v", host, idsOf(byHost[host]), err), "if it is in your own network: WEBHOOKS_ALLOWED_TARGETS="+allowedForm(host)))
		default:
			found = append(found, warning(name, fmt.Sprintf("%s (%s): %v", host, idsOf(byHost[host]), err),
				fmt.Sprintf("see that it is up and that this container may reach it; then: plausible-webhooks webhook test %d", byHost[host][0].ID)))
		}
	}
	switch {
	case len(hosts) == 0:
		return []finding{ok(name, "no webhook is enabled: whether HTTPS gets out of here was not tried")}
	case proxied > 0:
		return append(found, ok(name, "the proxy %s answers; it alone can tell of %s", settings.Proxy, counted(proxied, "host", "hosts")))
	case reached > 0:
		return append(found, ok(name, "%s", counted(reached, "host answers", "hosts answer")))
	case len(hosts) > 1 && !slices.Contains(refused, true):
		return []finding{warning(name, fmt.Sprintf("none of %d hosts can be reached, %s among them: %v", len(hosts), hosts[0], errs[0]),
			"let this container out to the internet on port 443, or set WEBHOOKS_PROXY")}
	}
	return found
}

// idsOf names webhooks, a few of them.
func idsOf(webhooks []store.Webhook) string {
	const most = 3
	var ids []string
	for _, w := range webhooks[:min(len(webhooks), most)] {
		ids = append(ids, strconv.FormatInt(w.ID, 10))
	}
	text := strings.Join(ids, ", ")
	if len(webhooks) > most {
		text += fmt.Sprintf(" and %d more", len(webhooks)-most)
	}
	if len(webhooks) == 1 {
		return "webhook " + text
	}
	return "webhooks " + text
}

// allowedForm writes an origin as an entry of WEBHOOKS_ALLOWED_TARGETS.
func allowedForm(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}
