package main

import (
	"encoding/json"
	"time"

	"plausible-webhooks/config/event"
)

// backtestJSON is a trial for programs.
type backtestJSON struct {
	Site            event.Site    `json:"site"`
	Goal            *event.Goal   `json:"goal"`
	Type            event.Type    `json:"type"`
	Threshold       *int          `json:"threshold"`
	WindowSeconds   *int          `json:"window_seconds"`
	CooldownSeconds int           `json:"cooldown_seconds"`
	Repeat          bool          `json:"repeat"`
	NotifyRecovery  bool          `json:"notify_recovery"`
	Since           time.Time     `json:"since"`
	Until           time.Time     `json:"until"`
	IntervalSeconds int           `json:"interval_seconds"`
	Evaluations     int           `json:"evaluations"`
	EventsRead      int           `json:"events_read"`
	Fired           int           `json:"fired"`
	Firings         []firingJSON  `json:"firings"` // Ends among them.
	FiringsOmitted  int           `json:"firings_omitted"`
	Series          []pointJSON   `json:"series"`
	SeriesSeconds   int           `json:"series_seconds"`
	Extreme         pointJSON     `json:"extreme"`
	OtherThresholds []outcomeJSON `json:"other_thresholds"`
}

// firingJSON is an event as its payload shows it.
type firingJSON struct {
	Type      event.Type      `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Value     int             `json:"value"`
	Listed    bool            `json:"listed"` // False: sources, pages and a goal's visitors were not asked for.
	Data      json.RawMessage `json:"data"`
}

type pointJSON struct {
	At    time.Time `json:"at"`
	Value int       `json:"value"`
}

type outcomeJSON struct {
	Threshold int `json:"threshold"`
	Fired     int `json:"fired"`
}

// printJSON tells a trial for programs.
func (t trial) printJSON(p program) error {
	h := t.history
	out := backtestJSON{
		Site: event.Site{ID: t.subject.Site.ID, Domain: t.subject.Site.Domain}, Type: h.Type,
		Threshold: optional(h.Threshold), WindowSeconds: optional(h.WindowSeconds), CooldownSeconds: h.CooldownSeconds,
		Repeat: !t.spec.Once, NotifyRecovery: t.spec.Recovery, Since: h.Since, Until: h.Until,
		IntervalSeconds: int(h.Interval / time.Second), Evaluations: h.Evaluations, EventsRead: h.Rows, Fired: h.Fired,
		Firings: make([]firingJSON, len(h.Firings)), FiringsOmitted: h.Omitted,
		Series: make([]pointJSON, len(h.Series)), SeriesSeconds: int(h.SeriesStep / time.Second),
		Extreme: pointJSON(h.Extreme), OtherThresholds: make([]outcomeJSON, len(h.Others)),
	}
	if g := t.subject.Goal; g != nil {
		out.Goal = &event.Goal{ID: g.ID, Name: g.DisplayName, Kind: string(g.Kind())}
	}
	for i, f := range h.Firings {
		payload, err := event.Render(f.Event, event.Standard)
		if err == nil {
			err = json.Unmarshal([]byte(payload), &out.Firings[i])
		}
		if err != nil {
			return err
		}
		out.Firings[i].Value, out.Firings[i].Listed = f.Value, f.Listed
	}
	for i, point := range h.Series {
		out.Series[i] = pointJSON(point)
	}
	for i, o := range h.Others {
		out.OtherThresholds[i] = outcomeJSON(o)
	}
	return p.printJSON(out)
}
