package proxies_test

import (
	"bufio"
	"context"
	"fmt"
	"html/template"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plausible-webhooks/config/settings"
	"plausible-webhooks/config/settings/server"
	"plausible-webhooks/deploy/devstack/plausible"
	"plausible-webhooks/deploy/devstack/stack"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { os.Exit(stack.Main(m)) }

const (
	domain   = "example.com/shop"
	encoded  = "/example.com%2Fshop"
	unicode  = "/m%C3%BCnchen.example" // münchen.example, as browsers send it.
	page     = "/settings/webhooks"
	menu     = encoded + page + `"` // The end of the entry's link.
	ownPage  = "page of the sidecar"
	password = "correct horse"
)

// world is a proxy in front of the stand-in for Plausible and of the sidecar.
type world struct {
	t         *testing.T
	base      string // Of the proxy, which is BASE_URL.
	plausible *recorded
	sidecar   *recorded
	front     string // Plausible's address.
	listen    string // The sidecar's address, which stays the same.
	told      string // What the proxy knows as that.
	resolver  string // Of names, for nginx; empty: there are none.
	running   *http.Server
	serving   sync.WaitGroup
	pages     http.Handler
	client    *http.Client
}

// recorded is a server that remembers what it was asked for.
type recorded struct {
	mu   sync.Mutex // Guards asks.
	asks []string
	next atomic.Pointer[http.Handler]
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asks = append(r.asks, req.Method+" "+req.RequestURI)
	r.mu.Unlock()
	(*r.next.Load()).ServeHTTP(w, req)
}

func (r *recorded) answer(with http.Handler) { r.next.Store(&with) }

// forget returns what was asked for since the last call, in order and once.
func (r *recorded) forget() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asks := r.asks
	r.asks = nil
	return slices.Compact(asks)
}

// newWorld starts everything but the proxy, whose address base will be.
func newWorld(t *testing.T, base string) *world {
	t.Helper()
	w := &world{t: t, base: base, plausible: &recorded{}, sidecar: &recorded{}}
	database := stack.TestDatabase(t, stack.V32)
	db, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	owner, err := plausible.AddAccount(t.Context(), db, "owner@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{domain, "münchen.example"} {
		if _, err := owner.AddSite(t.Context(), db, stack.Site{Domain: site}); err != nil {
			t.Fatal(err)
		}
	}
	web, err := plausible.Start(t.Context(), plausible.Options{DatabaseURL: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(web.Stop)
	w.plausible.answer(inFrontOf(t, web.URL()))
	front := httptest.NewServer(w.plausible)
	t.Cleanup(front.Close)

	pages, err := server.New(server.Options{
		DB: db, Plausible: parse(t, front.URL), Base: parse(t, base), Pages: onePage{}, Logger: hclog.NewNullLogger(), Patience: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pages.Close)
	w.pages = pages
	w.sidecar.answer(pages)
	listener := listen(t, freeAddress(t))
	w.listen = listener.Addr().String()
	w.told = w.listen
	w.serve(listener)
	t.Cleanup(w.stopSidecar)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(w.client.CloseIdleConnections)
	w.front = front.Listener.Addr().String()
	return w
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// freeAddress is a port of the loopback interface that nobody listens at now,
// and that nobody is given who asks for just any: those are above.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		return listener.Addr().String()
	}
	t.Fatal("there is no free port from 10000 to 30000")
	return ""
}

func parse(t *testing.T, address string) url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return *u
}

func (w *world) serve(listener net.Listener) {
	w.running = &http.Server{Handler: w.sidecar, ReadHeaderTimeout: time.Minute}
	running := w.running
	w.serving.Go(func() { _ = running.Serve(listener) })
}

// stopSidecar closes its port, as a container that is stopped.
func (w *world) stopSidecar() {
	_ = w.running.Close()
	w.serving.Wait()
}

func (w *world) startSidecar() { w.serve(listen(w.t, w.listen)) }

// inFrontOf passes everything to the stand-in, byte for byte, and has the
// websocket of Plausible's LiveView.
func inFrontOf(t *testing.T, address string) http.Handler {
	to := parse(t, address)
	reverse := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		r.Out.URL.RawQuery = r.In.URL.RawQuery
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen-Host", r.Host)
		w.Header().Set("X-Seen-Forwarded", r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("X-Forwarded-Proto"))
		if r.URL.Path == "/live/websocket" && r.Header.Get("Upgrade") == "websocket" {
			echo(t, w)
			return
		}
		reverse.ServeHTTP(w, r)
	})
}

// echo upgrades the connection and sends back one line.
func echo(t *testing.T, w http.ResponseWriter) {
	connection, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = connection.Close() }()
	fmt.Fprint(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_ = buffered.Flush() // The other end may be gone.
	line, _ := buffered.ReadString('\n')
	fmt.Fprint(buffered, line)
	_ = buffered.Flush()
}

// onePage is the Webhooks page of these tests.
type onePage struct{}

func (onePage) Serve(_ context.Context, v settings.Visit, method string) (settings.Page, error) {
	if method == http.MethodPost {
		return settings.Page{GoTo: v.Base + "?saved=" + url.QueryEscape(v.Form.Get("name"))}, nil
	}
	return settings.Page{Title: "Webhooks", Body: template.HTML("<p>" + ownPage + " for " + template.HTMLEscapeString(v.Site.Domain) + "</p>")}, nil
}

// answered is what came back through the proxy.
type answered struct {
	status int
	header http.Header
	body   string
}

func (w *world) ask(method, path, body string) answered {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	// As it stands, which Go would not keep; in front of two slashes it wants the host.
	request.URL.Opaque, _, _ = strings.Cut(path, "?")
	if strings.HasPrefix(path, "//") {
		request.URL.Opaque = "//" + request.URL.Host + request.URL.Opaque
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", w.base)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(read)}
}

func (w *world) get(path string) answered {
	w.t.Helper()
	return w.ask(http.MethodGet, path, "")
}

func (w *world) signIn() {
	w.t.Helper()
	form := url.Values{"email": {"owner@example.com"}, "password": {password}}
	if got := w.ask(http.MethodPost, "/login", form.Encode()); got.status != http.StatusFound {
		w.t.Fatalf("sign in through the proxy = %d; want 302\n%.500s", got.status, got.body)
	}
	w.forget()
}

func (w *world) forget() { w.plausible.forget(); w.sidecar.forget() }

// upgrade asks for a websocket and returns what came back on it.
func (w *world) upgrade(path string) (status, echoed string) {
	w.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, strings.TrimPrefix(w.base, "http://"))
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return response.Status, ""
	}
	fmt.Fprintln(connection, "heartbeat")
	echoed, err = reader.ReadString('\n')
	if err != nil {
		w.t.Fatal(err)
	}
	return response.Status, strings.TrimSpace(echoed)
}
