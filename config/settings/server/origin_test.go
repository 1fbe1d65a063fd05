package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"plausible-webhooks/config/settings/server"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
)

// noDatabase makes every form that got past the check of its origin a 503.
type noDatabase struct{}

func (noDatabase) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errors.New("no database") }

func TestOriginOfBaseURLIsReadAsBrowsersWriteIt(t *testing.T) {
	for _, tc := range []struct {
		base, origin string
		trusted      bool
	}{
		{"https://Stats.Example.com:443", "https://stats.example.com", true},
		{"http://stats.example.com:80/sub", "http://stats.example.com", true},
		{"https://stats.example.com:8443", "https://stats.example.com:8443", true},
		{"https://stats.example.com", "http://stats.example.com", false},
		{"https://stats.example.com", "https://stats.example.com.evil.example", false},
		{"https://stats.example.com", "https://stats.example.com:444", false},
	} {
		base, err := url.Parse(tc.base)
		if err != nil {
			t.Fatal(err)
		}
		handler, err := server.New(server.Options{DB: noDatabase{}, Base: *base, Pages: &fakePages{}, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, page, strings.NewReader(""))
		r.Host = "plausible:8000"
		r.Header.Set("Origin", tc.origin)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Code == http.StatusServiceUnavailable; got != tc.trusted {
			t.Errorf("a form from %s with BASE_URL %s = %d; trusted %v", tc.origin, tc.base, w.Code, tc.trusted)
		}
		handler.Close()
	}
}
