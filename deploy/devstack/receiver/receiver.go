package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxBody bounds what is recorded of a request, in bytes; a payload is a few
// kilobytes at most.
const maxBody = 1 << 20

// Options of Start.
type Options struct {
	HTTPAddr  string        // Default: a free port on 127.0.0.1.
	HTTPSAddr string        // Default: a free port on 127.0.0.1.
	OnRequest func(Request) // Called for each request before it is answered; may be nil.
}

// Request is one request as it was received.
type Request struct {
	At     time.Time
	Method string
	Path   string
	Header http.Header
	Body   []byte
	TLS    bool
}

// Receiver records requests and answers as it is told.
type Receiver struct {
	onRequest func(Request)
	http      net.Listener
	https     net.Listener
	servers   []*http.Server
	serving   sync.WaitGroup
	stopping  chan struct{}
	stopOnce  sync.Once
	ca        []byte

	mu         sync.Mutex // Guards what follows.
	requests   []Request
	changed    chan struct{} // Closed and replaced at each request.
	behaviours map[string][]Behaviour
}

// Start begins to listen. Stop ends it.
func Start(opts Options) (*Receiver, error) {
	ca, certificate, err := Authority()
	if err != nil {
		return nil, err
	}
	r := &Receiver{
		onRequest:  opts.OnRequest,
		stopping:   make(chan struct{}),
		ca:         ca,
		changed:    make(chan struct{}),
		behaviours: make(map[string][]Behaviour),
	}
	if r.http, err = listen(opts.HTTPAddr); err != nil {
		return nil, err
	}
	plainHTTPS, err := listen(opts.HTTPSAddr)
	if err != nil {
		_ = r.http.Close()
		return nil, err
	}
	r.https = tls.NewListener(plainHTTPS, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"http/1.1"}, // Behaviours hijack connections, which HTTP/2 cannot.
	})
	for _, listener := range []net.Listener{r.http, r.https} {
		server := &http.Server{
			Handler:           r,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          log.New(io.Discard, "", 0), // Clients that go away are what tests are about.
		}
		r.servers = append(r.servers, server)
		r.serving.Go(func() { _ = server.Serve(listener) })
	}
	return r, nil
}

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for webhooks on %s: %w", addr, err)
	}
	return listener, nil
}

// Stop ends every request and both servers, and waits for them.
func (r *Receiver) Stop() {
	r.stopOnce.Do(func() { close(r.stopping) })
	for _, server := range r.servers {
		_ = server.Close()
	}
	r.serving.Wait()
}

// URL is the HTTPS address of a path, for example URL("/hook").
func (r *Receiver) URL(path string) string { return "https://" + r.https.Addr().String() + path }

// HTTPURL is the plain HTTP address of a path.
func (r *Receiver) HTTPURL(path string) string { return "http://" + r.http.Addr().String() + path }

// CA is the certificate authority of the HTTPS address, as PEM.
func (r *Receiver) CA() []byte { return r.ca }

// CAFile writes CA into a file in dir and returns its path.
func (r *Receiver) CAFile(dir string) (string, error) {
	path := filepath.Join(dir, "receiver-ca.pem")
	if err := os.WriteFile(path, r.ca, 0o644); err != nil {
		return "", fmt.Errorf("write the receiver's certificate authority: %w", err)
	}
	return path, nil
}

// Behave sets how requests to a path are answered from now on: the behaviours
// one after the other, each as often as it says, the last one for ever (a last
// one with a count is followed by Accept).
func (r *Receiver) Behave(path string, behaviours ...Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behaviours[path] = append([]Behaviour(nil), behaviours...)
}

// Requests returns what has arrived at a path so far, oldest first; an empty
// path means every path.
func (r *Receiver) Requests(path string) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return matching(r.requests, path)
}

// Wait returns as soon as n requests have arrived at a path, or an error that
// tells how many did when ctx ended.
func (r *Receiver) Wait(ctx context.Context, path string, n int) ([]Request, error) {
	for {
		r.mu.Lock()
		found, changed := matching(r.requests, path), r.changed
		r.mu.Unlock()
		if len(found) >= n {
			return found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found, fmt.Errorf("wait for %d requests at %q, got %d: %w", n, path, len(found), ctx.Err())
		}
	}
}

// Forget drops what was recorded.
func (r *Receiver) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = nil
}

func matching(requests []Request, path string) []Request {
	var found []Request
	for _, request := range requests {
		if path == "" || request.Path == path {
			found = append(found, request)
		}
	}
	return found
}

// ServeHTTP records the request, then answers as told.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.serveControl(w, req) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
		return
	}
	request := Request{
		At:     time.Now(),
		Method: req.Method,
		Path:   req.URL.Path,
		Header: req.Header.Clone(),
		Body:   body,
		TLS:    req.TLS != nil,
	}
	behaviour := r.record(request)
	if r.onRequest != nil {
		r.onRequest(request)
	}
	r.answer(w, req, behaviour)
}

// record keeps the request and takes the behaviour that answers it.
func (r *Receiver) record(request Request) Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
	close(r.changed)
	r.changed = make(chan struct{})

	queue := r.behaviours[request.Path]
	if len(queue) == 0 {
		return Accept
	}
	current := queue[0]
	switch {
	case current.times > 1:
		queue[0].times--
	case current.times == 1, len(queue) > 1:
		r.behaviours[request.Path] = queue[1:]
	}
	return current
}
