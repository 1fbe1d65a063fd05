package receiver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"plausible-webhooks/deploy/devstack/receiver"
)

func start(t *testing.T) (*receiver.Receiver, *http.Client) {
	t.Helper()
	r, err := receiver.Start(receiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(r.CA()) {
		t.Fatal("CA is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return r, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func post(t *testing.T, client *http.Client, url string) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // Loopback; only a hang takes that long.
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestRecordsOverHTTPAndHTTPS(t *testing.T) {
	r, client := start(t)
	for _, url := range []string{r.URL("/hook"), r.HTTPURL("/hook")} {
		if status, err := post(t, client, url); err != nil || status != 200 {
			t.Fatalf("POST %s = %d, %v; want 200", url, status, err)
		}
	}
	got, err := r.Wait(t.Context(), "/hook", 2)
	if err != nil {
		t.Fatal(err)
	}
	if !got[0].TLS || got[1].TLS || !bytes.Equal(got[0].Body, []byte(`{"a":1}`)) {
		t.Errorf("requests = %+v; want one over TLS, then one without, bodies kept", got)
	}
}

func TestFailsAsOftenAsTold(t *testing.T) {
	r, client := start(t)
	r.Behave("/hook", receiver.Must("fail:2:502"), receiver.Must("404"))
	for i, want := range []int{502, 502, 404, 404} {
		if status, err := post(t, client, r.URL("/hook")); err != nil || status != want {
			t.Errorf("request %d = %d, %v; want %d", i+1, status, err, want)
		}
	}
	r.Behave("/hook", receiver.Must("fail:1"))
	for i, want := range []int{500, 200, 200} {
		if status, err := post(t, client, r.URL("/hook")); err != nil || status != want {
			t.Errorf("request %d = %d, %v; want %d", i+1, status, err, want)
		}
	}
}

func TestRedirectsWithoutFollowing(t *testing.T) {
	r, client := start(t)
	r.Behave("/hook", receiver.Must("307:http://169.254.169.254/"))
	if status, err := post(t, client, r.URL("/hook")); err != nil || status != 307 {
		t.Errorf("POST = %d, %v; want 307", status, err)
	}
}

func TestOddAnswersAreErrorsOfTheClient(t *testing.T) {
	for _, behaviour := range []string{"empty", "garbage", "truncate"} {
		t.Run(behaviour, func(t *testing.T) {
			r, client := start(t)
			r.Behave("/hook", receiver.Must(behaviour))
			if status, err := post(t, client, r.URL("/hook")); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("POST = %d, %v; want an error before the deadline", status, err)
			}
		})
	}
}

func TestStopEndsWhatHangs(t *testing.T) {
	for _, behaviour := range []string{"hang", "drip", "endless", "slow:1h"} {
		t.Run(behaviour, func(t *testing.T) {
			r, client := start(t)
			r.Behave("/hook", receiver.Must(behaviour))
			done := make(chan error, 1)
			go func() {
				_, err := post(t, client, r.URL("/hook"))
				done <- err
			}()
			if _, err := r.Wait(t.Context(), "/hook", 1); err != nil {
				t.Fatal(err)
			}
			r.Stop()
			if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("POST ended with %v; want an error when the receiver stopped", err)
			}
		})
	}
}

func TestControlByHTTP(t *testing.T) {
	r, client := start(t)
	if status, err := post(t, client, r.URL("/_control?path=/hook&do=503")); err != nil || status != 200 {
		t.Fatalf("control = %d, %v; want 200", status, err)
	}
	if status, _ := post(t, client, r.URL("/hook")); status != 503 {
		t.Errorf("POST = %d; want 503", status)
	}
	if status, _ := post(t, client, r.URL("/_control?path=/hook&do=dance")); status != 400 {
		t.Errorf("control with an unknown behaviour = %d; want 400", status)
	}
	if got := len(r.Requests("")); got != 1 {
		t.Errorf("recorded %d requests; want 1, control requests are not recorded", got)
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"", "100", "600", "fail", "fail:0", "fail:1:99", "slow:fast", "redirect", "hang:1", "retry-after"} {
		if _, err := receiver.Parse(text); err == nil {
			t.Errorf("Parse(%q) succeeded; want an error", text)
		}
	}
}
