package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"plausible-webhooks/cdc"
	"plausible-webhooks/evaluator"
	"plausible-webhooks/sender"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health answers whether the sidecar does its work. It is ready once it is
// migrated and holds a first view, and stays so while a database is away: a
// restart would mend nothing.
type health struct {
	follower  *cdc.Follower
	evaluator *evaluator.Evaluator

	mu       sync.Mutex // Guards what follows.
	migrated bool
	reason   string // Why it is not migrated.
}

func newHealth(follower *cdc.Follower, evaluator *evaluator.Evaluator) *health {
	return &health{follower: follower, evaluator: evaluator, reason: "starting"}
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

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool       `json:"ready"`
	Reasons []string   `json:"reasons"` // Why it is not ready, or not well; empty where all is.
	Config  cdc.Status `json:"config"`
	Leading bool       `json:"leading"` // This process evaluates; another one does otherwise.
}

func (h *health) readiness() readiness {
	h.mu.Lock()
	migrated, reason := h.migrated, h.reason
	h.mu.Unlock()
	status := h.follower.Status()
	r := readiness{Ready: migrated && h.follower.View() != nil, Reasons: []string{}, Config: status, Leading: h.evaluator.Counters().Leading}
	if reason != "" {
		r.Reasons = append(r.Reasons, reason)
	}
	if migrated && status.Reason != "" {
		r.Reasons = append(r.Reasons, status.Reason)
	}
	return r
}

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

// admin is the server of WEBHOOKS_ADMIN_LISTEN.
type admin struct {
	server  *http.Server
	serving sync.WaitGroup
}

func serveAdmin(address string, h *health, sending *sender.Sender, log hclog.Logger) (*admin, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at WEBHOOKS_ADMIN_LISTEN (%s): %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := h.readiness()
		w.Header().Set("Content-Type", "application/json")
		if !r.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(r) // Whoever asked may be gone.
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(h, sending), promhttp.HandlerOpts{}))
	a := &admin{server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}),
	}}
	a.serving.Go(func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and metrics are no longer served", "error", err)
		}
	})
	return a, nil
}

func (a *admin) stop() {
	_ = a.server.Close() // Nobody waits for a probe that is cut off at the end.
	a.serving.Wait()
}
