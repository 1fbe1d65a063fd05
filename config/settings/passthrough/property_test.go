package passthrough_test

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// answer is what Plausible sends, drawn at random.
type answer struct {
	status   int
	header   http.Header
	chunks   [][]byte
	chunked  bool
	document []byte // Uncompressed; nil where that is not known.
}

func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if !a.chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(bytes.Join(a.chunks, nil))))
	}
	w.WriteHeader(a.status)
	for _, chunk := range a.chunks {
		_, _ = w.Write(chunk)
		if a.chunked {
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// fragments make documents that are HTML enough to confuse.
var fragments = []string{
	"<p>", "</p>", "<!--", "-->", "<script>", "</script>", "<a href=x>", "</a>", "<svg><title>", "</title></svg>", "<textarea>", "</textarea>",
	"<template>", "</template>", "<table>", "<tr>", "&amp", "&lt;", "<", ">", "\x00", "\xff\xfe", "é", "<option>", "</select>", "<br/>", "\r\n", "text ", "<a href=\"/example.com%2Fshop/settings/email-reports\">", "<plaintext>", "<noscript>", "</body>",
}

func drawAnswer(t *rapid.T) answer {
	a := answer{header: http.Header{}, chunked: rapid.Bool().Draw(t, "chunked")}
	a.status = rapid.SampledFrom([]int{200, 200, 200, 200, 201, 302, 403, 404, 500, 503}).Draw(t, "status")
	kind := rapid.SampledFrom([]string{"text/html; charset=utf-8", "text/html; charset=utf-8", "text/html", "TEXT/HTML", "text/html; charset=iso-8859-1", "application/json", "text/plain", "application/octet-stream", "text/html; bad"}).Draw(t, "type")
	a.header.Set("Content-Type", kind)
	for name, values := range map[string][]string{
		"Set-Cookie": {"_plausible_key=a.b; path=/; HttpOnly", "logged_in=true"}, "Location": {"/login?return_to=%2Fa%252Fb"}, "X-Request-Id": {"F1"}, "Vary": {"accept-encoding"},
		"Cache-Control": {"max-age=0, private, must-revalidate"}, "Content-Security-Policy": {"base-uri 'self'"},
	} {
		if rapid.Bool().Draw(t, name) {
			a.header[name] = values
		}
	}
	var body []byte
	document := rapid.SampledFrom([]string{"page", "page", "fragments", "binary"}).Draw(t, "body")
	switch document {
	case "page":
		body = []byte(page(string(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "head")), ""))
	case "fragments":
		for _, fragment := range rapid.SliceOfN(rapid.SampledFrom(append(fragments, menuHTML)), 0, 30).Draw(t, "fragments") {
			body = append(body, fragment...)
		}
	case "binary":
		body = rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
	}
	a.document = body
	switch encoding := rapid.SampledFrom([]string{"", "", "gzip", "gzip", "br", "zstd", "broken gzip"}).Draw(t, "encoding"); encoding {
	case "gzip":
		a.header.Set("Content-Encoding", "gzip")
		body = zipped(body)
	case "broken gzip":
		a.header.Set("Content-Encoding", "gzip")
		body = append(zipped(body), "trailing"...)
		a.document = nil
	case "br", "zstd":
		a.header.Set("Content-Encoding", encoding) // Whatever it is, nobody here can read it.
		a.document = nil
	}
	for len(body) > 0 {
		n := rapid.IntRange(1, len(body)).Draw(t, "chunk")
		a.chunks, body = append(a.chunks, body[:n]), body[n:]
	}
	return a
}

// Whatever Plausible sends arrives as it is, byte for byte, but for the entry.
func TestWhatPassesThroughStaysAsItIs(t *testing.T) {
	p := newPair(t, time.Minute)
	added := 0
	rapid.Check(t, func(t *rapid.T) {
		a := drawAnswer(t)
		p.answers(a.ServeHTTP)
		direct := p.ask(t, http.MethodGet, p.plausible.URL+path, http.Header{"Accept-Encoding": {"gzip"}})
		got := p.ask(t, http.MethodGet, p.proxy.URL+path, http.Header{"Accept-Encoding": {"gzip, deflate, br, zstd"}})
		if got.err != nil || got.status != direct.status {
			t.Fatalf("status %d, %v; want %d", got.status, got.err, direct.status)
		}
		without, want := got.body, direct.body
		if !bytes.Equal(without, want) && a.document != nil {
			// It may only differ by the entry, which may only be in HTML.
			want = a.document
			if direct.header.Get("Content-Encoding") == "gzip" {
				var err error
				if without, err = unzipped(got.body); err != nil {
					t.Fatalf("not gzip any more: %v", err)
				}
			}
			without = entries.ReplaceAll(without, nil)
			added++
			direct.header.Set("Content-Length", got.header.Get("Content-Length"))
		}
		if !bytes.Equal(without, want) {
			t.Fatalf("body differs by more than the entry:\n%q\n%q", without, want)
		}
		for _, header := range []http.Header{got.header, direct.header} {
			header.Del("Date")
		}
		if diff := cmp.Diff(direct.header, got.header); diff != "" {
			t.Fatalf("headers (-Plausible +proxy):\n%s", diff)
		}
	})
	if added == 0 {
		t.Error("no answer got the entry, so nothing was tested")
	}
}
