package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
)

// slowNeighbour is what /slow/ takes; attempts time out after 5 s.
const slowNeighbour = 4500 * time.Millisecond

// answerer is the receiver of all parts but the fan-out. The path says how it
// answers: /ok/ at once, /slow/ after 4.5 s, /hang/ never, and /mixed/ by what
// is in the body.
type answerer struct {
	server *httptest.Server
	ca     []byte // PEM.

	requests atomic.Int64
	watcher  atomic.Pointer[func(receipt)]

	mu       sync.Mutex
	released chan struct{} // Closed: whoever waits is answered now.
}

// receipt is the arrival of one request.
type receipt struct {
	path, id string
	at       time.Time
}

func startAnswerer() (*answerer, error) {
	ca, certificate, err := receiver.Authority()
	if err != nil {
		return nil, err
	}
	a := &answerer{ca: ca, released: make(chan struct{})}
	a.server = httptest.NewUnstartedServer(a)
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	a.server.StartTLS()
	return a, nil
}

func (a *answerer) stop() {
	a.release()
	a.server.CloseClientConnections()
	a.server.Close()
}

func (a *answerer) url(path string) string { return a.server.URL + path }

func (a *answerer) caFile(dir string) (string, error) {
	path := filepath.Join(dir, "answerer-ca.pem")
	if err := os.WriteFile(path, a.ca, 0o644); err != nil {
		return "", fmt.Errorf("write the receiver's certificate authority: %w", err)
	}
	return path, nil
}

// watch has f called at each arrival; nil: nobody.
func (a *answerer) watch(f func(receipt)) {
	if f == nil {
		a.watcher.Store(nil)
		return
	}
	a.watcher.Store(&f)
}

// release answers everybody who waits, so that a sender can end at once.
func (a *answerer) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.released)
	a.released = make(chan struct{})
}

func (a *answerer) waiting() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.released
}

// failMark in a body makes /mixed/ fail.
const failMark = `"fail": true`

func (a *answerer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	at := time.Now()
	body, _ := io.ReadAll(req.Body) // A cut request is the sender's to notice.
	a.requests.Add(1)
	if watch := a.watcher.Load(); watch != nil {
		(*watch)(receipt{path: req.URL.Path, id: req.Header.Get("Webhook-Id"), at: at})
	}
	var wait <-chan time.Time
	switch {
	case strings.HasPrefix(req.URL.Path, "/ok/"):
		w.WriteHeader(http.StatusNoContent)
		return
	case strings.HasPrefix(req.URL.Path, "/mixed/"):
		if strings.Contains(string(body), failMark) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	case strings.HasPrefix(req.URL.Path, "/slow/"):
		timer := time.NewTimer(slowNeighbour)
		defer timer.Stop()
		wait = timer.C
	}
	select {
	case <-wait:
	case <-a.waiting():
	case <-req.Context().Done():
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// seen waits until so many requests have arrived since the start.
func (a *answerer) seen(ctx context.Context, requests int64) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for a.requests.Load() < requests {
		select {
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("%d requests are missing after %s", requests-a.requests.Load(), patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// arrivals hands receipts at one path over, one by one.
type arrivals struct {
	a    *answerer
	came chan receipt
}

// at watches a path until stopped.
func (a *answerer) at(path string) *arrivals {
	found := &arrivals{a: a, came: make(chan receipt, 1024)}
	a.watch(func(r receipt) {
		if r.path == path {
			select {
			case found.came <- r:
			default: // Nobody reads so many.
			}
		}
	})
	return found
}

func (f *arrivals) stop() { f.a.watch(nil) }

// of waits for the arrival of one delivery.
func (f *arrivals) of(ctx context.Context, id string) (time.Time, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case r := <-f.came:
			if r.id == id {
				return r.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-timer.C:
			return time.Time{}, errors.New("delivery " + id + " did not arrive")
		}
	}
}
