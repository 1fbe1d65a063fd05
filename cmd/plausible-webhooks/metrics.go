package main

import (
	"context"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/sender"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const namespace = "plausible_webhooks"

// newRegistry returns the metrics of this process: Go's own, what the rooms
// have told the instruments, and what they answer whenever somebody asks. No
// label names a site, a webhook or a host: their number has no bound.
func newRegistry(h *health, sending *sender.Sender, i *instruments, depth func(context.Context) (sender.Depth, error)) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "Always 1; the version of the program is in the label.",
			ConstLabels: prometheus.Labels{"version": programVersion()},
		}, func() float64 { return 1 }),
		gauge("ready", "1 once migrated and holding a first view.", func() float64 { return number(h.readiness().Ready) }),
		&queueMetrics{read: depth},
		&disabledWebhooks{view: h.follower.View},
	)
	registry.MustRegister(i.collectors()...)
	registry.MustRegister(configMetrics(h.follower)...)
	registry.MustRegister(evaluationMetrics(h.evaluator)...)
	registry.MustRegister(sendingMetrics(sending)...)
	return registry
}

func configMetrics(follower *cdc.Follower) []prometheus.Collector {
	status := func(name, help string, value func(cdc.Status) float64) prometheus.Collector {
		return gauge("config_"+name, help, func() float64 { return value(follower.Status()) })
	}
	size := func(name, help string, count func(*config.View) int) prometheus.Collector {
		return gauge(name, help, func() float64 {
			if view := follower.View(); view != nil {
				return float64(count(view))
			}
			return 0
		})
	}
	return []prometheus.Collector{
		status("replication", "1 while settings are followed by logical replication, 0 while they are polled.", func(s cdc.Status) float64 {
			return number(s.Mode == cdc.ModeReplication)
		}),
		status("healthy", "0 while the settings in use may be out of date.", func(s cdc.Status) float64 { return number(s.Healthy) }),
		status("revision", "Counts the changes of settings since the start.", func(s cdc.Status) float64 { return float64(s.Revision) }),
		status("confirmed_timestamp_seconds", "When the settings in use were last known to be the present ones.", func(s cdc.Status) float64 {
			return unix(s.Confirmed)
		}),
		status("changed_timestamp_seconds", "When the settings in use last changed.", func(s cdc.Status) float64 { return unix(s.Changed) }),
		status("compared_timestamp_seconds", "When all settings were last read and compared with those in use.", func(s cdc.Status) float64 {
			return unix(s.Compared)
		}),
		status("lag_seconds", "How long the last change took from its commit in PostgreSQL to here, by both clocks; 0 while polling.", func(s cdc.Status) float64 {
			return s.Lag.Seconds()
		}),
		size("sites", "Sites of this Plausible.", (*config.View).SiteCount),
		size("goals", "Goals of this Plausible.", (*config.View).GoalCount),
		size("webhooks", "Webhooks, disabled ones among them.", (*config.View).WebhookCount),
		size("triggers", "Triggers of webhooks, disabled ones among them.", (*config.View).TriggerCount),
	}
}

func evaluationMetrics(e *evaluator.Evaluator) []prometheus.Collector {
	count := func(name, help string, value func(evaluator.Counters) int64) prometheus.Collector {
		return counter("evaluation_"+name, help, nil, func() int64 { return value(e.Counters()) })
	}
	list := []prometheus.Collector{
		gauge("evaluation_leading", "1 while this process evaluates; of several, one does.", func() float64 { return number(e.Status().Leading) }),
		count("ticks_total", "Evaluations.", func(c evaluator.Counters) int64 { return c.Ticks }),
		count("missed_ticks_total", "Evaluations left out because one before took too long.", func(c evaluator.Counters) int64 { return c.Missed }),
		count("unanswered_total", "Parts of evaluations that ClickHouse did not answer.", func(c evaluator.Counters) int64 { return c.Unanswered }),
		count("failed_total", "Evaluations that PostgreSQL did not take.", func(c evaluator.Counters) int64 { return c.Failed }),
		count("late_rows_total", "Rows of goals that reached ClickHouse too late to be counted.", func(c evaluator.Counters) int64 { return c.LateRows }),
		count("queries_total", "Queries sent to ClickHouse.", func(c evaluator.Counters) int64 { return c.Queries }),
		gauge("evaluation_interval_seconds", "From the last evaluation to the next; longer than the poll interval while evaluations are slow.", func() float64 {
			return e.Counters().Interval.Seconds()
		}),
		gauge("evaluation_last_success_timestamp_seconds", "When an evaluation was last answered and recorded as a whole.", func() float64 {
			return unix(e.Counters().Complete)
		}),
		gauge("evaluation_newest_event_timestamp_seconds", "The time of the newest event that an answer of ClickHouse was about; 0 before the first.", func() float64 {
			return unix(e.Counters().Newest)
		}),
	}
	for kind := range e.Counters().Firings {
		list = append(list, counter("firings_total", "Deliveries that evaluation has written, by event type.", prometheus.Labels{"type": string(kind)},
			func() int64 { return e.Counters().Firings[kind] }))
	}
	return list
}

func sendingMetrics(s *sender.Sender) []prometheus.Collector {
	present := func(name, help string, value func(sender.Counters) int) prometheus.Collector {
		return gauge(name, help, func() float64 { return float64(value(s.Counters())) })
	}
	const disabledHelp = "Webhooks that the sidecar has disabled."
	return []prometheus.Collector{
		present("slots", "Attempts that may be in flight at once.", func(c sender.Counters) int { return c.Slots }),
		present("slots_used", "Attempts in flight.", func(c sender.Counters) int { return c.SlotsUsed }),
		present("slots_used_doubtful", "Attempts in flight to webhooks whose last attempt failed or was slow.", func(c sender.Counters) int { return c.SlotsUsedDoubtful }),
		present("claimed_deliveries", "Deliveries that this process holds: in flight, or waiting for a slot or a retry.", func(c sender.Counters) int { return c.Claimed }),
		present("unusable_webhooks", "Webhooks whose deliveries wait because a secret or header cannot be opened with the present key.", func(c sender.Counters) int { return c.Unusable }),
		counter("webhooks_disabled_total", disabledHelp, prometheus.Labels{"reason": string(event.Failing)}, func() int64 { return s.Counters().DisabledFailing }),
		counter("webhooks_disabled_total", disabledHelp, prometheus.Labels{"reason": string(event.Gone)}, func() int64 { return s.Counters().DisabledGone }),
		counter("deliveries_purged_total", "Deliveries deleted because of their age or their number.", nil, func() int64 { return s.Counters().Purged }),
		gauge("retention_last_run_timestamp_seconds", "When this process last deleted what is old, or saw that nothing is; of several, one does.", func() float64 {
			return unix(s.Counters().PurgedAt)
		}),
	}
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value)
}

func counter(name, help string, labels prometheus.Labels, value func() int64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) })
}

// unix is a moment as metrics have it; zero: never.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
