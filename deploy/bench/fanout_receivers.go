package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
)

// slowAnswer is what one receiver in twenty takes, for every attempt.
const slowAnswer = 4 * time.Second

// receivers answer for all webhooks; the number at the end of the path decides
// how: one in twenty is slow, one in five fails its first one or two attempts.
type receivers struct {
	server *httptest.Server
	ca     []byte // PEM.

	mu       sync.Mutex // Guards what follows.
	attempts map[int]int
	received map[int]time.Time // First answer with a 2xx.
	requests int
	changed  chan struct{} // Holds one value when received has grown.
}

func startReceivers() (*receivers, error) {
	ca, certificate, err := receiver.Authority()
	if err != nil {
		return nil, err
	}
	r := &receivers{ca: ca, attempts: map[int]int{}, received: map[int]time.Time{}, changed: make(chan struct{}, 1)}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	// httptest's own certificate is RSA, whose handshakes would cost more than
	// everything that is measured.
	r.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	r.server.StartTLS()
	return r, nil
}

func (r *receivers) stop() {
	r.server.CloseClientConnections()
	r.server.Close()
}

func (r *receivers) url() string { return r.server.URL + "/r/" }

func (r *receivers) caFile(dir string) (string, error) {
	path := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(path, r.ca, 0o644); err != nil {
		return "", fmt.Errorf("write the receivers' certificate authority: %w", err)
	}
	return path, nil
}

// failures is how often a receiver fails before it accepts.
func failures(number int) int {
	if number%5 != 1 {
		return 0
	}
	return 1 + number/5%2
}

func slow(number int) bool { return number%20 == 0 }

func (r *receivers) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	number, err := strconv.Atoi(filepath.Base(req.URL.Path))
	if err != nil {
		http.NotFound(w, req)
		return
	}
	_, _ = io.Copy(io.Discard, req.Body) // A cut request is the sender's to notice.
	r.mu.Lock()
	r.requests++
	r.attempts[number]++
	attempt := r.attempts[number]
	r.mu.Unlock()
	if attempt <= failures(number) {
		http.Error(w, "not yet", http.StatusServiceUnavailable)
		return
	}
	if slow(number) {
		select {
		case <-time.After(slowAnswer):
		case <-req.Context().Done():
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, repeated := r.received[number]; !repeated {
		r.received[number] = time.Now()
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// waitFor returns when every delivery has been received, or ctx ends, or the
// sidecar does.
func (r *receivers) waitFor(ctx context.Context, exited <-chan struct{}) {
	for {
		r.mu.Lock()
		done := len(r.received) >= sendDeliveries
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.changed:
		case <-ctx.Done():
			return
		case <-exited:
			return
		}
	}
}
