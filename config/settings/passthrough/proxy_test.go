package passthrough_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/config/settings/passthrough"

	"github.com/google/go-cmp/cmp"
)

func TestEntryInPlainAndCompressedPages(t *testing.T) {
	p := newPair(t, time.Minute)
	p.answers(html(page("", "")))
	for _, accepted := range []string{"", "gzip", "br, gzip;q=0.5", "br", "gzip;q=0", "*"} {
		got := p.ask(t, http.MethodGet, p.proxy.URL+path, http.Header{"Accept-Encoding": {accepted}})
		body := got.body
		if got.header.Get("Content-Encoding") == "gzip" {
			if strings.Contains(accepted, "q=0") && !strings.Contains(accepted, "q=0.5") || accepted == "br" || accepted == "" {
				t.Errorf("accepting %q got gzip", accepted)
			}
			var err error
			if body, err = unzipped(body); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(entries.FindAll(body, -1)); n != 2 || got.length != int64(len(got.body)) {
			t.Errorf("accepting %q: %d entries, length %d of %d; want the link and the option, and the right length", accepted, n, got.length, len(got.body))
		}
	}
}

func TestRequestsArriveAsTheyCame(t *testing.T) {
	p := newPair(t, time.Minute)
	var got *http.Request
	p.answers(func(_ http.ResponseWriter, r *http.Request) { got = r.Clone(context.WithoutCancel(r.Context())) })
	for _, target := range []string{
		"/example.com%2Fshop/settings/general", "/example.com%2fshop/settings/general", "/%C3%BCn%C3%AF.example/settings/goals?a=b;c=d&e=%2F&f=+", "/example.com/settings/general?",
		"/example.com/settings//general", "/a%252Fb/settings/x", "/example.com/settings/import?x=%zz",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.proxy.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: stats.example.com\r\nCookie: _plausible_key=a; b=c\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"+
			"X-Real-Ip: 198.51.100.7\r\nAccept-Language: et\r\nIf-None-Match: \"x\"\r\nConnection: close\r\n\r\n", target); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", target, resp, err)
		}
		_ = conn.Close()
		want := http.Header{
			"Cookie": {"_plausible_key=a; b=c"}, "X-Forwarded-For": {"198.51.100.7, 127.0.0.1"}, "X-Forwarded-Proto": {"https"}, "X-Real-Ip": {"198.51.100.7"},
			"Accept-Language": {"et"}, "If-None-Match": {`"x"`},
		}
		if diff := cmp.Diff(want, got.Header); diff != "" || got.RequestURI != target || got.Host != "stats.example.com" {
			t.Errorf("%s arrived as %s of %s (-want +got):\n%s", target, got.RequestURI, got.Host, diff)
		}
	}
}

func TestStreamsAreNotHeldBack(t *testing.T) {
	for kind, patience := range map[string]time.Duration{"text/event-stream": time.Hour, "text/csv": time.Hour, "text/html": 10 * time.Millisecond} {
		t.Run(kind, func(t *testing.T) {
			p := newPair(t, patience)
			proceed := make(chan struct{})
			p.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				_, _ = io.WriteString(w, "first"+menuHTML)
				_ = http.NewResponseController(w).Flush()
				<-proceed
				_, _ = io.WriteString(w, "second")
			})
			resp, err := p.client.Get(p.proxy.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			first := make([]byte, len("first"+menuHTML))
			if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first"+menuHTML {
				t.Fatalf("first part = %q, %v; want it before the second is sent", first, err)
			}
			close(proceed)
			if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
				t.Errorf("rest = %q, %v; want the second part", rest, err)
			}
		})
	}
}

func TestLongPagesAreNotHeldBack(t *testing.T) {
	p := newPair(t, time.Minute)
	filler := strings.Repeat("<p>x</p>", passthrough.MaxPage/8+1)
	for name, handler := range map[string]http.HandlerFunc{
		"with a length": func(w http.ResponseWriter, _ *http.Request) {
			body := page(filler, "")
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = io.WriteString(w, body)
		},
		"chunked": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, page(filler, ""))
		},
		"a bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped([]byte(page(filler, ""))))
		},
	} {
		p.answers(handler)
		got := p.ask(t, http.MethodGet, p.proxy.URL+path, nil)
		body := got.body
		if name == "a bomb" {
			body, _ = unzipped(body)
		}
		if got.err != nil || !bytes.Equal(body, []byte(page(filler, ""))) {
			t.Errorf("%s: %d bytes, %v; want the page untouched", name, len(body), got.err)
		}
	}
}

// What breaks off at Plausible breaks off at the browser too, and is not taken
// for whole.
func TestBrokenAnswersStayBroken(t *testing.T) {
	p := newPair(t, time.Minute)
	p.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, page("", ""))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	got := p.ask(t, http.MethodGet, p.proxy.URL+path, nil)
	if got.err == nil || string(got.body) != page("", "") {
		t.Errorf("got %d bytes, %v; want what had come, and an error", len(got.body), got.err)
	}
}

func TestHeadAndConditionalRequests(t *testing.T) {
	p := newPair(t, time.Minute)
	p.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("ETag", `"x"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, page("", ""))
	})
	if got := p.ask(t, http.MethodHead, p.proxy.URL+path, nil); got.status != http.StatusOK || len(got.body) != 0 {
		t.Errorf("HEAD = %d with %d bytes; want 200 with none", got.status, len(got.body))
	}
	if got := p.ask(t, http.MethodGet, p.proxy.URL+path, http.Header{"If-None-Match": {`"x"`}}); got.status != http.StatusNotModified {
		t.Errorf("If-None-Match = %d; want Plausible's own 304", got.status)
	}
	if got := p.ask(t, http.MethodGet, p.proxy.URL+path, nil); got.header.Get("ETag") != "" {
		t.Errorf("a changed page has Plausible's ETag %s", got.header.Get("ETag"))
	}
}

func TestOnlyReadsPassThrough(t *testing.T) {
	p := newPair(t, time.Minute)
	p.answers(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s reached Plausible", r.Method) })
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if got := p.ask(t, method, p.proxy.URL+path, nil); got.status != http.StatusMisdirectedRequest {
			t.Errorf("%s = %d; want 421", method, got.status)
		}
	}
	if got := p.ask(t, http.MethodGet, p.proxy.URL+path, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}); got.status != http.StatusMisdirectedRequest {
		t.Errorf("websocket = %d; want 421", got.status)
	}
}

func TestPlausibleAwayIsABadGateway(t *testing.T) {
	p := newPair(t, time.Minute)
	p.plausible.Close()
	got := p.ask(t, http.MethodGet, p.proxy.URL+path, nil)
	if got.status != http.StatusBadGateway || !strings.Contains(string(got.body), "WEBHOOKS_PLAUSIBLE_URL") {
		t.Errorf("without Plausible = %d %s; want 502, on which a proxy falls back", got.status, got.body)
	}
}
