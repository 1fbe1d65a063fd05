package main

import (
	"fmt"
	"time"

	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/sender"

	"github.com/prometheus/client_golang/prometheus"
)

// instruments are the metrics that the rooms tell of as it happens. All others
// are read from the rooms when somebody asks.
type instruments struct {
	tick, attempt, delivery, own, permission prometheus.Histogram
	attempts                                 map[sender.Kind]prometheus.Counter
	pages                                    map[server.Route]map[string]prometheus.Counter

	attemptsVec, pagesVec *prometheus.CounterVec
}

// codes are the classes of an answer's status.
var codes = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}

func newInstruments() *instruments {
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	}
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	i := &instruments{
		// The bounds fit the promises: a tick takes a fifth of five seconds at
		// most, an attempt ends by its timeout (5 s, 30 s at most), a delivery
		// leaves within a second and has given up its first round after 30.
		tick: histogram("evaluation_tick_duration_seconds", "How long evaluations took.",
			.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		attempt: histogram("attempt_duration_seconds", "How long attempts took from dial to the last byte read, interrupted ones left out.",
			.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30),
		delivery: histogram("delivery_latency_seconds", "From writing a delivery to its success, of those that succeeded in their first round.",
			.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300),
		own: histogram("page_own_duration_seconds", "How long answers of the Webhooks page took, Plausible's part left out.",
			.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5),
		permission: histogram("page_permission_duration_seconds", "How long Plausible took to say who may see the Webhooks page.",
			.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5),
		attemptsVec: vec("attempts_total", "Attempts by what came of them: delivered, the status of a refusal, or why there was no answer.", "outcome"),
		pagesVec:    vec("page_requests_total", "Answers at WEBHOOKS_LISTEN by route and class of status; 499, nobody waited for the answer, is 4xx.", "route", "code"),
		attempts:    map[sender.Kind]prometheus.Counter{},
		pages:       map[server.Route]map[string]prometheus.Counter{},
	}
	// Each value is there from the start: a rate needs a zero to begin at.
	for _, kind := range sender.Kinds() {
		i.attempts[kind] = i.attemptsVec.WithLabelValues(string(kind))
	}
	for _, route := range server.Routes() {
		i.pages[route] = map[string]prometheus.Counter{}
		for _, code := range codes {
			i.pages[route][code] = i.pagesVec.WithLabelValues(string(route), code)
		}
	}
	return i
}

func (i *instruments) collectors() []prometheus.Collector {
	return []prometheus.Collector{i.tick, i.attempt, i.delivery, i.own, i.permission, i.attemptsVec, i.pagesVec}
}

func (i *instruments) ticked(took time.Duration) { i.tick.Observe(took.Seconds()) }

func (i *instruments) attempted(a sender.Attempted) {
	if counter := i.attempts[a.Kind]; counter != nil {
		counter.Inc()
	}
	if a.Kind != sender.KindInterrupted {
		i.attempt.Observe(a.Took.Seconds())
	}
	if a.Age > 0 {
		i.delivery.Observe(a.Age.Seconds())
	}
}

func (i *instruments) served(x server.Served) {
	if counter := i.pages[x.Route][fmt.Sprintf("%dxx", x.Status/100)]; counter != nil {
		counter.Inc()
	}
	if x.Route != server.RoutePage {
		return
	}
	i.own.Observe(x.Own.Seconds())
	if x.Plausible > 0 {
		i.permission.Observe(x.Plausible.Seconds())
	}
}
