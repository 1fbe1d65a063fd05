package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/config/outage"
	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/sender"

	"github.com/hashicorp/go-hclog"
)

// health answers whether the sidecar does its work. It is ready once it is
// migrated and holds a first view, and stays so while a database is away: a
// restart would mend nothing.
type health struct {
	follower  *cdc.Follower
	evaluator *evaluator.Evaluator
	sender    *sender.Sender
	keyless   bool // Secrets are stored as they are.

	mu       sync.Mutex // Guards what follows.
	migrated bool
	reason   string         // Why it is not migrated.
	pages    *server.Server // Nil: not served yet.
}

func newHealth(follower *cdc.Follower, evaluator *evaluator.Evaluator, sender *sender.Sender) *health {
	return &health{follower: follower, evaluator: evaluator, sender: sender, reason: "starting"}
}

func (h *health) waiting(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = reason
}

func (h *health) prepared() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.migrated, h.reason = true, ""
}

func (h *health) serves(pages *server.Server) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pages = pages
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool       `json:"ready"`
	Reasons []string   `json:"reasons"` // Why it is not ready, or what is not as it should be; empty where all is.
	Config  cdc.Status `json:"config"`
	Leading bool       `json:"leading"` // This process evaluates; another one does otherwise.
}

func (h *health) readiness() readiness {
	h.mu.Lock()
	migrated, reason, pages := h.migrated, h.reason, h.pages
	h.mu.Unlock()
	status, evaluation := h.follower.Status(), h.evaluator.Status()
	r := readiness{Ready: migrated && h.follower.View() != nil, Reasons: []string{}, Config: status, Leading: evaluation.Leading}
	add := func(format string, args ...any) { r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...)) }
	if reason != "" {
		add("%s", reason)
	}
	if migrated {
		h.settings(status, add)
		h.evaluation(evaluation, add)
		if t := h.sender.Trouble(); t != nil {
			add("sending stands still since %s: PostgreSQL does not work: %s", moment(t.Since), t.Reason)
		}
		if n := h.sender.Counters().Unusable; n > 0 {
			add("deliveries of %d webhooks wait: a secret or header of theirs cannot be opened with the present key; set SECRET_KEY_BASE or WEBHOOKS_SECRET_KEY to what it was, or run plausible-webhooks webhook rotate-secret", n)
		}
	}
	if h.keyless {
		add("%s", keylessWarning)
	}
	if pages != nil {
		plausible, database := pages.Troubles()
		told(add, plausible, "the settings page cannot ask Plausible")
		told(add, database, "the settings page waits for PostgreSQL")
	}
	return r
}

func (h *health) settings(status cdc.Status, add func(string, ...any)) {
	switch {
	case status.Reason == "":
	case status.Healthy:
		add("settings are polled instead of followed since %s: %s", moment(status.Since), status.Reason)
	default:
		add("settings may be out of date since %s: %s", moment(status.Since), status.Reason)
	}
}

func (h *health) evaluation(status evaluator.Status, add func(string, ...any)) {
	told(add, status.ClickHouse, "evaluation stands still, ClickHouse does not answer")
	told(add, status.PostgreSQL, "evaluation stands still, PostgreSQL does not work")
	switch {
	case status.Leading || status.PostgreSQL != nil:
	case status.StandingBy:
		add("not leading: another sidecar evaluates, this one stands by")
	default:
		add("not leading: evaluation has not begun")
	}
}

func told(add func(string, ...any), t *outage.Present, what string) {
	if t != nil {
		add("%s since %s: %s", what, moment(t.Since), t.Reason)
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// announce logs once that the sidecar is ready.
func (h *health) announce(ctx context.Context, log hclog.Logger) {
	changed, cancel := h.follower.Subscribe()
	defer cancel()
	select {
	case <-ctx.Done():
	case <-changed:
		view, status := h.follower.View(), h.follower.Status()
		log.Info("ready", "sites", view.SiteCount(), "webhooks", view.WebhookCount(), "config", string(status.Mode))
	}
}
