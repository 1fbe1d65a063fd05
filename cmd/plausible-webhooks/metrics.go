package main

import (
	"plausible-webhooks/cdc"
	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/sender"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry returns the metrics of this process: Go's own, and what the rooms
// tell of themselves whenever somebody asks.
func newRegistry(h *health, sending *sender.Sender) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("ready", "1 once migrated and holding a first view.", func() float64 { return number(h.readiness().Ready) }),
		gauge("config_replication", "1 while settings are followed by logical replication, 0 while they are polled.", func() float64 {
			return number(h.follower.Status().Mode == cdc.ModeReplication)
		}),
		gauge("config_healthy", "0 while the settings in use may be out of date.", func() float64 { return number(h.follower.Status().Healthy) }),
		gauge("config_revision", "Counts the changes of settings since the start.", func() float64 { return float64(h.follower.Status().Revision) }),
		gauge("config_confirmed_timestamp_seconds", "When the settings in use were last known to be the present ones.", func() float64 {
			confirmed := h.follower.Status().Confirmed
			if confirmed.IsZero() {
				return 0
			}
			return float64(confirmed.Unix())
		}),
		gauge("sites", "Sites of this Plausible.", func() float64 {
			if view := h.follower.View(); view != nil {
				return float64(view.SiteCount())
			}
			return 0
		}),
		gauge("webhooks", "Webhooks, disabled ones among them.", func() float64 {
			if view := h.follower.View(); view != nil {
				return float64(view.WebhookCount())
			}
			return 0
		}),
		gauge("evaluation_leading", "1 while this process evaluates; of several, one does.", func() float64 { return number(h.evaluator.Counters().Leading) }),
		counter("evaluation_ticks_total", "Evaluations.", func() int64 { return h.evaluator.Counters().Ticks }),
		counter("evaluation_missed_ticks_total", "Evaluations left out because one before took too long.", func() int64 { return h.evaluator.Counters().Missed }),
		counter("evaluation_unanswered_total", "Parts of evaluations that ClickHouse did not answer.", func() int64 { return h.evaluator.Counters().Unanswered }),
		counter("evaluation_failed_total", "Evaluations that PostgreSQL did not take.", func() int64 { return h.evaluator.Counters().Failed }),
		counter("evaluation_late_rows_total", "Rows of goals that reached ClickHouse too late to be counted.", func() int64 { return h.evaluator.Counters().LateRows }),
		counter("evaluation_queries_total", "Queries sent to ClickHouse.", func() int64 { return h.evaluator.Counters().Queries }),
		gauge("evaluation_tick_seconds", "How long the last evaluation took.", func() float64 { return h.evaluator.Counters().Took.Seconds() }),
		gauge("evaluation_interval_seconds", "From the last evaluation to the next; longer than the poll interval while evaluations are slow.", func() float64 {
			return h.evaluator.Counters().Interval.Seconds()
		}),
		counter("firings_total", "Deliveries that evaluation has written.", func() int64 { return h.evaluator.Counters().Firings }),
		disabledCounter(event.Failing, func() int64 { return sending.Counters().DisabledFailing }),
		disabledCounter(event.Gone, func() int64 { return sending.Counters().DisabledGone }),
		disabledWebhooks{h.follower.View},
		counter("deliveries_purged_total", "Deliveries deleted because of their age or their number.", func() int64 { return sending.Counters().Purged }),
	)
	return registry
}

const namespace = "plausible_webhooks"

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value)
}

func counter(name, help string, value func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, func() float64 { return float64(value()) })
}

func disabledCounter(reason event.DisabledReason, value func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "webhooks_disabled_total", Help: "Webhooks that the sidecar has disabled.",
		ConstLabels: prometheus.Labels{"reason": string(reason)},
	}, func() float64 { return float64(value()) })
}

// disabledWebhooks counts what the system has disabled, in one pass over the
// view for all reasons.
type disabledWebhooks struct{ view func() *config.View }

var disabledDesc = prometheus.NewDesc(namespace+"_disabled_webhooks", "Webhooks that are disabled by the system now.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (disabledWebhooks) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- disabledDesc }

// Collect implements prometheus.Collector.
func (d disabledWebhooks) Collect(metrics chan<- prometheus.Metric) {
	counts := map[string]int{string(event.Failing): 0, string(event.Gone): 0, "transferred": 0}
	if view := d.view(); view != nil {
		for _, w := range view.Webhooks() {
			if w.Disabled() {
				counts[w.DisabledReason]++
			}
		}
	}
	for reason, count := range counts {
		metrics <- prometheus.MustNewConstMetric(disabledDesc, prometheus.GaugeValue, float64(count), reason)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
