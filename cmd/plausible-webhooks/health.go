package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"plausible-webhooks/config/env"
)

// probePatience is for both questions: a process that takes longer to say that
// it lives does not do its work either.
const probePatience = 3 * time.Second

type healthCommand struct {
	Ready bool `name:"ready" help:"Ask whether it is ready, too: migrated, and holding the settings."`
}

// Help implements kong.HelpProvider.
func (healthCommand) Help() string {
	return `Asks the sidecar that runs on this machine, at WEBHOOKS_ADMIN_LISTEN, whether it lives, prints one line, and exits with 0 if so and with 1 if not. It is the health check of the container image, which has no shell and no curl.

A sidecar that waits for a database lives, and is not ready: do not have it restarted for that.

Examples:

    plausible-webhooks health
    docker compose exec plausible_webhooks /plausible-webhooks health --ready`
}

// Run never exits with 2, which container runtimes keep for themselves.
func (c healthCommand) Run(ctx context.Context, p program) error {
	settings, _, err := env.Load(p.source, env.WithoutBaseURL())
	var mistakes env.Mistakes
	if errors.As(err, &mistakes) {
		fmt.Fprintf(p.stdout, "unhealthy: the environment has %s: %s\n", counted(len(mistakes), "mistake", "mistakes"), strings.ReplaceAll(mistakes.Error(), "\n", "; "))
		return quietly{}
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	verdict, err := probe(ctx, settings.AdminListen, c.Ready)
	if err != nil {
		fmt.Fprintf(p.stdout, "unhealthy: %v\n", err)
		return quietly{}
	}
	fmt.Fprintln(p.stdout, verdict)
	return nil
}

// probe asks the sidecar that listens at an address. Where it listens at every
// address of the machine, it is asked at those of the loopback interface.
func probe(ctx context.Context, listen string, ready bool) (verdict string, err error) {
	addresses, err := reachable(listen)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}} // It is here, behind no proxy.
	for _, address := range addresses {
		verdict, err = probeAt(ctx, &client, address, ready)
		var unanswered *url.Error
		if !errors.As(err, &unanswered) {
			return verdict, err
		}
		err = fmt.Errorf("nothing answers at WEBHOOKS_ADMIN_LISTEN (%s): %w", address, unanswered.Err)
	}
	return "", err
}

// reachable are the addresses to ask at, in this order, for one to listen at.
func reachable(listen string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("read WEBHOOKS_ADMIN_LISTEN: %w", err)
	}
	if port == "0" {
		return nil, errors.New("WEBHOOKS_ADMIN_LISTEN has port 0, so that nobody knows which one the system chose: name one, such as :8002")
	}
	hosts := []string{host}
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		hosts = []string{"127.0.0.1", "::1"}
	case err == nil && ip.IsUnspecified() && ip.Is4():
		hosts = []string{"127.0.0.1"}
	case err == nil && ip.IsUnspecified():
		hosts = []string{"::1", "127.0.0.1"} // Usually it hears both; containers often lack the first.
	}
	addresses := make([]string, len(hosts))
	for i, host := range hosts {
		addresses[i] = net.JoinHostPort(host, port)
	}
	return addresses, nil
}

func probeAt(ctx context.Context, client *http.Client, address string, ready bool) (verdict string, err error) {
	status, _, err := fetch(ctx, client, "http://"+address+"/healthz")
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("/healthz at %s answers %d: something else may listen there", address, status)
	}
	if !ready {
		return "healthy", nil
	}
	status, body, err := fetch(ctx, client, "http://"+address+"/readyz")
	if err != nil {
		return "", err
	}
	var told struct{ Reasons []string }
	if err := json.Unmarshal(body, &told); err != nil {
		return "", fmt.Errorf("/readyz at %s answers %d without JSON: something else may listen there", address, status)
	}
	reasons := strings.Join(told.Reasons, "; ")
	switch {
	case status != http.StatusOK:
		return "", fmt.Errorf("not ready: %s", cmp.Or(reasons, "no reason given"))
	case reasons != "":
		return "ready, though: " + reasons, nil
	default:
		return "ready", nil
	}
}

// fetch returns an answer's status and the beginning of its body.
func fetch(ctx context.Context, client *http.Client, address string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		err = &url.Error{Op: "Get", URL: address, Err: err} // As one that did not come at all.
	}
	return response.StatusCode, body, err
}
