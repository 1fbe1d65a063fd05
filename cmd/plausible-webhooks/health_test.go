package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// adminOf answers as the sidecar's admin server does; empty: 404.
func adminOf(t *testing.T, healthz int, readyz int, reasons string) (listen string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(healthz) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(readyz)
		fmt.Fprint(w, reasons)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestHealth(t *testing.T) {
	for _, test := range []struct {
		name            string
		healthz, readyz int
		answer          string
		line            string // Of the command.
		code            int
		want            string
	}{
		{"lives", 200, 503, "", "health", exitDone, "healthy\n"},
		{"ready", 200, 200, `{"ready":true,"reasons":[]}`, "health --ready", exitDone, "ready\n"},
		{"ready with trouble", 200, 200, `{"ready":true,"reasons":["polling","away"]}`, "health --ready", exitDone, "ready, though: polling; away\n"},
		{"not ready", 200, 503, `{"ready":false,"reasons":["starting"]}`, "health --ready", exitFailed, "unhealthy: not ready: starting\n"},
		{"another program", 404, 404, "", "health", exitFailed, "answers 404: something else may listen there\n"},
		{"another program's page", 200, 200, "<html>", "health --ready", exitFailed, "without JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environ := []string{"CONFIG_DIR=/nonexistent", "WEBHOOKS_ADMIN_LISTEN=" + adminOf(t, test.healthz, test.readyz, test.answer)}
			r := runLine(t, environ, "", strings.Fields(test.line)...)
			r.want(t, test.code, test.want)
			if strings.Count(r.stdout, "\n") != 1 || r.stderr != "" {
				t.Errorf("it printed %q and %q; want one line, on stdout", r.stdout, r.stderr)
			}
		})
	}
}

func TestHealthWhereNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	runLine(t, []string{"CONFIG_DIR=/nonexistent", "WEBHOOKS_ADMIN_LISTEN=" + address}, "", "health").
		want(t, exitFailed, "unhealthy: nothing answers at WEBHOOKS_ADMIN_LISTEN ("+address+")", "refused")
	runLine(t, []string{"CONFIG_DIR=/nonexistent", "WEBHOOKS_ADMIN_LISTEN=127.0.0.1:0"}, "", "health").
		want(t, exitFailed, "unhealthy: WEBHOOKS_ADMIN_LISTEN has port 0")
}

// A container runtime knows 0 and 1 only.
func TestHealthOfABadEnvironmentExitsWith1(t *testing.T) {
	r := runLine(t, []string{"CONFIG_DIR=/nonexistent", "WEBHOOKS_ADMIN_LISTEN=8002", "WEBHOOKS_RETRIES=many"}, "", "health")
	r.want(t, exitFailed, "unhealthy: the environment has 2 mistakes", "WEBHOOKS_ADMIN_LISTEN", "WEBHOOKS_RETRIES")
	if strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("it printed %q; want one line", r.stdout)
	}
}

// A process that was stopped takes connections and does not answer them.
func TestHealthOfAProcessThatHangsEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := probe(ctx, listener.Addr().String(), false); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("probe = %v; want a deadline that has passed", err)
	}
}

func TestWhereHealthAsks(t *testing.T) {
	for _, test := range []struct {
		listen string
		want   []string
	}{
		{":8002", []string{"127.0.0.1:8002", "[::1]:8002"}},
		{"0.0.0.0:8002", []string{"127.0.0.1:8002"}},
		{"[::]:8002", []string{"[::1]:8002", "127.0.0.1:8002"}},
		{"[fd00::1]:8002", []string{"[fd00::1]:8002"}},
		{"10.0.0.7:9000", []string{"10.0.0.7:9000"}},
		{"localhost:8002", []string{"localhost:8002"}},
	} {
		got, err := reachable(test.listen)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("reachable(%s) = %v, %v; want %v", test.listen, got, err, test.want)
		}
	}
}

// Who listens everywhere is found, also where one of the two families is not
// to be had.
func TestHealthFindsWhoListensEverywhere(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp"} {
		listener, err := net.Listen(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}}
		server.Start()
		defer server.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"", "0.0.0.0", "[::]"} {
			if verdict, err := probe(t.Context(), host+":"+port, false); verdict != "healthy" {
				t.Errorf("%s: probe(%s) = %q, %v; want healthy", network, host, verdict, err)
			}
		}
	}
}
