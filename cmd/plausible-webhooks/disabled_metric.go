package main

import (
	"sync"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"

	"github.com/prometheus/client_golang/prometheus"
)

// byPerson stands for a webhook that a person has paused, which has no reason
// in its row.
const byPerson = "person"

// disabledWebhooks counts what is disabled, in one pass over a view for all
// reasons, and once for each view.
type disabledWebhooks struct {
	view func() *config.View

	mu      sync.Mutex // Guards what follows.
	counted uint64     // The view's revision; not the view, which is to be forgotten when it is old.
	counts  map[string]int
}

var disabledDesc = prometheus.NewDesc(namespace+"_disabled_webhooks",
	"Webhooks that are disabled now, by reason: failing, gone or transferred, or by a person.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (*disabledWebhooks) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- disabledDesc }

// Collect implements prometheus.Collector.
func (d *disabledWebhooks) Collect(metrics chan<- prometheus.Metric) {
	for reason, count := range d.count() {
		metrics <- prometheus.MustNewConstMetric(disabledDesc, prometheus.GaugeValue, float64(count), reason)
	}
}

func (d *disabledWebhooks) count() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	view := d.view()
	revision := uint64(0)
	if view != nil {
		revision = view.Revision
	}
	if d.counts != nil && revision == d.counted {
		return d.counts
	}
	counts := map[string]int{string(event.Failing): 0, string(event.Gone): 0, config.Transferred: 0, byPerson: 0}
	if view != nil {
		for _, w := range view.Webhooks() {
			reason := w.DisabledReason
			if w.Paused() {
				reason = byPerson
			}
			if _, known := counts[reason]; known && !w.Enabled {
				counts[reason]++
			}
		}
	}
	d.counted, d.counts = revision, counts
	return counts
}
