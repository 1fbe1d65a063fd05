package passthrough_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plausible-webhooks/config/settings/passthrough"

	"github.com/hashicorp/go-hclog"
)

const (
	domain = "example.com/shop"
	path   = "/example.com%2Fshop/settings/general"
)

const menuHTML = `<select name="tab"><option value="general" selected>General</option><option value="people">People</option><option value="email-reports">Email reports</option></select>
<div data-testid="settings-sidebar"><a href="/example.com%2Fshop/settings/general" class="tab active">General</a>
<a href="/example.com%2Fshop/settings/people" class="tab">People</a>
<a href="/example.com%2Fshop/settings/email-reports" class="tab">Email reports</a></div>`

// entries are what the proxy may add.
var entries = regexp.MustCompile(`<a href="/example\.com%2Fshop/settings/webhooks" class="tab">Webhooks</a>|<option value="webhooks">Webhooks</option>`)

// pair is a Plausible that answers as told, and the proxy in front of it.
type pair struct {
	answer    atomic.Pointer[http.HandlerFunc]
	plausible *httptest.Server
	proxy     *httptest.Server
	client    *http.Client
}

func newPair(t *testing.T, patience time.Duration) *pair {
	t.Helper()
	p := &pair{}
	p.plausible = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.answer.Load())(w, r) }))
	t.Cleanup(p.plausible.Close)
	where, err := url.Parse(p.plausible.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := passthrough.New(passthrough.Options{
		Plausible: *where, Base: url.URL{Scheme: "https", Host: "stats.example.com"}, Logger: hclog.NewNullLogger(), Patience: patience,
	})
	t.Cleanup(through.Close)
	p.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { through.ServeHTTP(w, r, domain) }))
	t.Cleanup(p.proxy.Close)
	// Nothing is unzipped or followed on the way.
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return p
}

func (p *pair) answers(handler http.HandlerFunc) { p.answer.Store(&handler) }

type result struct {
	status int
	header http.Header
	length int64
	body   []byte
	err    error // Of reading the body.
}

func (p *pair) ask(t interface{ Fatal(...any) }, method, address string, header http.Header) result {
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return result{resp.StatusCode, resp.Header, resp.ContentLength, body, err}
}

func zipped(data []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(data)
	_ = z.Close()
	return out.Bytes()
}

func unzipped(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// page is a complete document with the menu.
func page(before, after string) string {
	return fmt.Sprintf("<!DOCTYPE html><html><body>%s%s%s</body></html>", before, menuHTML, after)
}

func html(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped([]byte(body)))
			return
		}
		_, _ = io.WriteString(w, body)
	}
}
